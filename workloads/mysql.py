"""MySQL for one site: its objects as Kubernetes spells them, all of them pure.

Source: https://hub.docker.com/_/mysql, and https://github.com/docker-library/mysql for what the
image's entrypoint reads and writes.
"""

from workloads.objects import (
    Body,
    container,
    labels,
    mounts,
    pairs,
    pod,
    probe,
    scratch,
    secret_files,
)

NAME = "mysql"
DATABASE = USER = "wordpress"
CLAIM = "mysql"
SECRET = "mysql"  # noqa: S105 - a name
PORT = 3306
# `mysql` in the image.
_UID = 999
_FILES = "/run/secrets/mysql"
_CLIENT = f"{_FILES}/client.cnf"
_SOCKET = "/run/mysqld/mysqld.sock"
_MEMORY = 1024


def secret(root_password: str, password: str) -> dict[str, str]:
    """Files that the server starts with, and those by which clients in its pod log in."""
    return {
        "root-password": root_password,
        "password": password,
        "client.cnf": _login(USER, password, "protocol=tcp", "host=127.0.0.1"),
        "root.cnf": _login("root", root_password, f"socket={_SOCKET}"),
    }


def _login(user: str, password: str, *way: str) -> str:
    """Options of a client, in a file: its arguments are for all to see."""
    return "\n".join(["[client]", *way, f"user={user}", f"password={password}", ""])


def stateful_set(image: str) -> Body:
    """One server. Its first start sets up database and user; root can log in from its pod alone."""
    return {
        "spec": {
            "serviceName": NAME,
            "replicas": 1,
            "selector": {"matchLabels": labels(NAME)},
            "template": {
                "metadata": {"labels": labels(NAME)},
                "spec": pod(
                    _UID,
                    # Until what is in memory is written.
                    terminationGracePeriodSeconds=120,
                    containers=[_server(image)],
                    volumes=[
                        {"name": "data", "persistentVolumeClaim": {"claimName": CLAIM}},
                        secret_files(SECRET),
                        scratch("run", 16),
                        scratch("tmp", 1024),
                    ],
                ),
            },
        }
    }


def _server(image: str) -> Body:
    # Over TCP, which the temporary server of the first start does not listen on.
    answers = _command("mysql", f"--database={DATABASE}", "--execute=SELECT 1")
    return container(
        NAME,
        image,
        memory=_MEMORY,
        ports=[{"name": "mysql", "containerPort": PORT}],
        env=pairs(
            MYSQL_DATABASE=DATABASE,
            MYSQL_USER=USER,
            MYSQL_PASSWORD_FILE=f"{_FILES}/password",
            MYSQL_ROOT_PASSWORD_FILE=f"{_FILES}/root-password",
            MYSQL_ROOT_HOST="localhost",
        ),
        # Ten minutes: a slow disk's first start, or what a crash has left to be put right.
        startupProbe=probe(answers, every=5, times=120),
        readinessProbe=probe(answers, every=10, times=3),
        livenessProbe=probe(_command("mysqladmin", "ping"), every=10, times=6),
        volumeMounts=mounts(data="/var/lib/mysql", mysql=_FILES, run="/run/mysqld", tmp="/tmp"),  # noqa: S108
    )


def _command(program: str, *words: str) -> Body:
    """A client that logs in as WordPress does."""
    return {"exec": {"command": [program, f"--defaults-file={_CLIENT}", *words]}}


def service() -> Body:
    """Headless: the server's own address, by the name that WordPress knows."""
    port = {"name": "mysql", "port": PORT, "targetPort": "mysql"}
    return {"spec": {"clusterIP": "None", "selector": labels(NAME), "ports": [port]}}


def network_policy(client: str) -> Body:
    """Pods called `client` reach the server, nobody else does, and it reaches nobody."""
    rule = {
        "from": [{"podSelector": {"matchLabels": labels(client)}}],
        "ports": [{"protocol": "TCP", "port": PORT}],
    }
    return {
        "spec": {
            "podSelector": {"matchLabels": labels(NAME)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [rule],
        }
    }
