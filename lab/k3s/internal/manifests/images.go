package manifests

// Images that the lab's k3s itself runs; cmd/images puts them into the release's archive under these names.
const (
	PauseImage   = "docker.io/rancher/mirrored-pause:3.6"
	CoreDNSImage = "docker.io/rancher/mirrored-coredns-coredns:1.14.2"
)
