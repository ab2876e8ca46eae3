package server

import (
	"fmt"
	"net"
	"strconv"

	"k3s.lab/internal/config"
	"k3s.lab/internal/etcd"
	"k3s.lab/internal/paths"
	"k3s.lab/internal/process"
)

// apiserverPort is where the apiserver itself listens, on loopback; k3s's listener stands before it.
const apiserverPort = "6444"

func apiserverFlags(s *config.Server) []string {
	data := paths.Data(s.Agent.DataDir)
	issuer := "https://kubernetes.default.svc." + s.ClusterDomain
	flags := map[string]string{
		"advertise-address":                  s.AdvertiseAddress,
		"allow-privileged":                   "true",
		"anonymous-auth":                     "false",
		"api-audiences":                      issuer + ",k3s",
		"authorization-mode":                 "Node,RBAC",
		"bind-address":                       "127.0.0.1",
		"client-ca-file":                     data.TLS("client-ca.crt"),
		"enable-admission-plugins":           "NodeRestriction",
		"enable-aggregator-routing":          "true",
		"etcd-cafile":                        data.TLS("etcd/server-ca.crt"),
		"etcd-certfile":                      data.TLS("etcd/client.crt"),
		"etcd-keyfile":                       data.TLS("etcd/client.key"),
		"etcd-servers":                       etcd.Endpoint,
		"kubelet-certificate-authority":      data.TLS("server-ca.crt"),
		"kubelet-client-certificate":         data.TLS("client-kube-apiserver.crt"),
		"kubelet-client-key":                 data.TLS("client-kube-apiserver.key"),
		"kubelet-preferred-address-types":    "InternalIP,ExternalIP,Hostname",
		"profiling":                          "false",
		"proxy-client-cert-file":             data.TLS("client-auth-proxy.crt"),
		"proxy-client-key-file":              data.TLS("client-auth-proxy.key"),
		"requestheader-allowed-names":        "system:auth-proxy",
		"requestheader-client-ca-file":       data.TLS("request-header-ca.crt"),
		"requestheader-extra-headers-prefix": "X-Remote-Extra-",
		"requestheader-group-headers":        "X-Remote-Group",
		"requestheader-username-headers":     "X-Remote-User",
		"secure-port":                        apiserverPort,
		"service-account-issuer":             issuer,
		"service-account-key-file":           data.TLS(serviceAccountKey),
		"service-account-signing-key-file":   data.TLS(serviceAccountKey),
		"service-cluster-ip-range":           s.ServiceCIDR,
		"service-node-port-range":            s.NodePortRange,
		"tls-cert-file":                      data.TLS("serving-kube-apiserver.crt"),
		"tls-private-key-file":               data.TLS("serving-kube-apiserver.key"),
	}
	if s.SecretsEncryption {
		flags["encryption-provider-config"] = data.Cred(encryptionConfig)
		flags["encryption-provider-config-automatic-reload"] = "true"
	}
	return process.Flags(flags, s.APIServerArgs)
}

func controllerManagerFlags(s *config.Server) []string {
	data := paths.Data(s.Agent.DataDir)
	flags := map[string]string{
		"allocate-node-cidrs":              "true",
		"bind-address":                     "127.0.0.1",
		"cluster-cidr":                     s.ClusterCIDR,
		"controllers":                      "*,tokencleaner",
		"profiling":                        "false",
		"root-ca-file":                     data.TLS("server-ca.crt"),
		"service-account-private-key-file": data.TLS(serviceAccountKey),
		"service-cluster-ip-range":         s.ServiceCIDR,
		"use-service-account-credentials":  "true",
	}
	for _, name := range []string{"kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"} {
		flags[name] = data.Cred("controller.kubeconfig")
	}
	for signer, ca := range map[string]string{
		"kube-apiserver-client": "client-ca", "kubelet-client": "client-ca",
		"kubelet-serving": "server-ca", "legacy-unknown": "server-ca",
	} {
		flags["cluster-signing-"+signer+"-cert-file"] = data.TLS(ca + ".crt")
		flags["cluster-signing-"+signer+"-key-file"] = data.TLS(ca + ".key")
	}
	return process.Flags(flags, s.ControllerManagerArgs)
}

func schedulerFlags(s *config.Server) []string {
	flags := map[string]string{"bind-address": "127.0.0.1", "profiling": "false"}
	for _, name := range []string{"kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"} {
		flags[name] = paths.Data(s.Agent.DataDir).Cred("scheduler.kubeconfig")
	}
	return process.Flags(flags, s.SchedulerArgs)
}

// localURL is where this server's own components reach the API.
func localURL(s *config.Server) string {
	host := "127.0.0.1"
	if s.BindAddress != "" && s.BindAddress != "0.0.0.0" {
		host = s.BindAddress
	}
	return "https://" + net.JoinHostPort(host, strconv.Itoa(s.HTTPSListenPort))
}

func listenAddress(s *config.Server) string {
	return fmt.Sprintf("%s:%d", s.BindAddress, s.HTTPSListenPort)
}

// nthService is the address of the `kubernetes` Service: the first of the service network.
func nthService(s *config.Server) string {
	ip, _, err := net.ParseCIDR(s.ServiceCIDR)
	if err != nil {
		panic(err) // checked with the command line
	}
	ip = ip.To4()
	ip[3]++
	return ip.String()
}
