"""The nginx of the door: OpenResty, or nginx with its Lua and stream modules. All it writes is below var/nginx.

Law: nothing of the system's own nginx is read or touched; its modules are named by their paths.
"""

from __future__ import annotations

import functools
import grp
import os
import pwd
import re
import resource
import ssl
import subprocess
from pathlib import Path
from string import Template

from conf.sections import NginxSettings
from conf.settings import Settings
from ops.probes import answers_http, reachable
from ops.processes import Process, ProcessFailed
from ops.programs import MissingServer, beside, find_program, plain_environment
from ops.templates import ROOT, write_private
from protocol.addresses import socket_place

SOURCE = ROOT / "nginx"
OPENRESTY = "/usr/local/openresty/nginx/sbin/nginx"
HTTP_MODULES = ("ndk_http_module", "ngx_http_lua_module")
STREAM_MODULES = ("ngx_stream_module",)
SILENT_HEARTBEATS = 3  # a gateway closes after 2.5 itself
ANSWER_MARGIN_S = 10.0
PACKAGES = (
    "The door needs nginx with Lua: on Debian or Ubuntu `apt-get install nginx libnginx-mod-http-lua "
    "libnginx-mod-stream lua-nginx-redis`, elsewhere OpenResty (on macOS `brew install openresty/brew/openresty`)."
)


class _NginxTemplate(Template):
    """`%name` is filled in, because nginx's own variables begin with $."""

    delimiter = "%"


def nginx_process(settings: Settings) -> Process:
    """The nginx of HTTP and WebSocket; its configuration is written at each start."""
    context = _unverified() if settings.nginx.certificate else None
    scheme = "https" if context else "http"
    url = f"{scheme}://{socket_place(reachable(settings.nginx.host), settings.nginx.port)}/healthz"
    return Process(
        "nginx",
        lambda: nginx_command(settings, "nginx.conf"),
        settings.var,
        lambda: answers_http(url, context),
        env=plain_environment(),
        cwd=ROOT,
        port=settings.nginx.port,
    )


def nginx_command(settings: Settings, name: str) -> list[str]:
    """The words that run nginx/`name`, which is filled in first. Raises MissingServer."""
    directory = directory_of(settings.var)
    directory.mkdir(parents=True, exist_ok=True)
    values = _values(settings, STREAM_MODULES if name == "tcp.conf" else HTTP_MODULES)
    text = _NginxTemplate((SOURCE / name).read_text()).substitute(values)
    configuration = write_private(directory / name, text)
    return [find_nginx(), "-e", "stderr", "-p", str(directory), "-c", str(configuration)]


def directory_of(var: Path) -> Path:
    """Where the door keeps its files."""
    return (var / "nginx").absolute()


@functools.cache
def find_nginx() -> str:
    """OpenResty if it is there, else nginx. Raises MissingServer."""
    try:
        return find_program("openresty", OPENRESTY, "nginx")
    except MissingServer:
        raise MissingServer(f"There is no nginx on this machine. {PACKAGES}") from None


@functools.cache
def _build(program: str) -> str:
    """How this nginx was built: its `-V`."""
    return subprocess.run([program, "-V"], check=False, capture_output=True, text=True).stderr


def _load_modules(wanted: tuple[str, ...]) -> str:
    """The directives that load what is not built in. Raises MissingServer."""
    build = _build(find_nginx())
    if "openresty" in build:
        return ""
    built = re.search(r"--modules-path=(\S+)", build)
    directory = beside(find_nginx(), "modules") or Path(built[1] if built else "/usr/lib/nginx/modules")
    paths = [directory / f"{name}.so" for name in wanted]
    missing = [path.name for path in paths if not path.exists()]
    if missing:
        raise MissingServer(f"This nginx has no {missing[0]}. {PACKAGES}")
    return "\n".join(f"load_module {path};" for path in paths)


def _values(settings: Settings, modules: tuple[str, ...]) -> dict[str, object]:
    nginx, gateway = settings.nginx, settings.gateway
    return {
        "modules": _load_modules(modules),
        "user": _user_directive(),
        "directory": directory_of(settings.var),
        "lua": SOURCE / "lua",
        "redis_host": f"[{settings.router.host}]" if ":" in settings.router.host else settings.router.host,
        "redis_port": settings.router.port,
        "redis_password": _lua_text(settings.router.password),
        "redis_prefix": settings.router.prefix,
        "place": socket_place(nginx.host, nginx.port),
        "tcp_place": socket_place(nginx.host, nginx.tcp_port),
        "workers": nginx.workers,
        "worker_connections": nginx.worker_connections,
        "files": _files(nginx.worker_connections),
        "requests_per_s": nginx.requests_per_s,
        "requests_burst": nginx.requests_burst,
        "connections_per_address": nginx.connections_per_address,
        "tcp_connections_per_address": nginx.tcp_connections_per_address,
        "unlimited": " ".join(f"{address} 1;" for address in nginx.unlimited),
        "send_buffer_bytes": gateway.send_buffer_bytes,
        "origins": _origins(gateway.origins),
        "silence_s": SILENT_HEARTBEATS * gateway.heartbeat_s,
        "poll_s": int(gateway.poll_wait_s + ANSWER_MARGIN_S),
        "answer_s": int(gateway.request_timeout_s + ANSWER_MARGIN_S),
        "tls": "ssl" if nginx.certificate else "",
        "certificate": _certificate(nginx),
    }


def _origins(listed: tuple[str, ...]) -> str:
    """The lines of a map from an Origin to itself. nginx looks it up without regard to case, and wants each once."""
    return " ".join(f'"{origin}" $http_origin;' for origin in {origin.lower(): origin for origin in listed}.values())


def _user_directive() -> str:
    """Started by root, nginx's workers run as nobody; started by another user, as that user, without a directive."""
    if os.geteuid() != 0:
        return ""
    nobody = pwd.getpwnam("nobody")
    return f"user nobody {grp.getgrgid(nobody.pw_gid).gr_name};"


def _files(worker_connections: int) -> int:
    """A worker's limit of open files: each connection is one, and this user may not have more than the hard limit."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = worker_connections + 512
    return wanted if hard == resource.RLIM_INFINITY or os.geteuid() == 0 else min(hard, wanted)


def _certificate(nginx: NginxSettings) -> str:
    if not nginx.certificate:
        return ""
    certificate, key = Path(nginx.certificate).absolute(), Path(nginx.certificate_key or nginx.certificate).absolute()
    for path in (certificate, key):
        if not path.is_file():
            raise ProcessFailed(f"there is no {path}: scripts/certificate.sh makes a certificate for trying.")
    return (
        f"ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3; "
        "ssl_session_cache shared:tls:10m; ssl_session_tickets off;"
    )


def _lua_text(text: str) -> str:
    """For between the quotes of a Lua string, whatever is in it."""
    return "".join(c if c.isascii() and c.isalnum() else "".join(f"\\{byte:03d}" for byte in c.encode()) for c in text)


def _unverified() -> ssl.SSLContext:
    """For the question whether the door is up: its certificate may be for another name, or signed by itself."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
