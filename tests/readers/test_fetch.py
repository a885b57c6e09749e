"""Public data by name: from a server of this machine alone."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jtem.commands.main import main
from jtem.errors import InputError
from jtem.files import read_table as rows_of
from jtem.readers import co2, fetch

CONTENT = b"Year,Mean,Uncertainty\n" + b"".join(b"%d,%.2f,0.1\n" % (y, 300 + y - 1979) for y in range(1979, 2025))


class Server(ThreadingHTTPServer):
    """Serves ``content``; ``most``: bytes after which the connection ends; ``ranges``: whether parts are given."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []
        self.most, self.ranges, self.content = 10**6, True, CONTENT


class Handler(BaseHTTPRequestHandler):
    """Answers for its server."""

    server: Server

    def do_GET(self):
        """Answer with all or the rest."""
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path != "/co2.csv":
            self.send_error(404)
            return
        begin = int(asked[6:-1]) if asked and self.server.ranges else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.server.content) - begin))
        self.end_headers()
        self.wfile.write(self.server.content[begin : begin + self.server.most])

    def log_message(self, *words):
        """Be quiet."""


@pytest.fixture
def server(monkeypatch):
    made = Server()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{made.server_port}/co2.csv"
    item = fetch.Item("co2", "co2.csv", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), address, "a table")
    monkeypatch.setattr(fetch, "known", lambda: {"co2": item})
    monkeypatch.setenv("no_proxy", "*")
    yield made
    made.shutdown()
    made.server_close()


def test_a_file_is_fetched_once_and_read(server, tmp_path, capsys):
    assert main(["fetch", "co2", "--out", str(tmp_path / "new")]) == 0
    path = tmp_path / "new" / "co2.csv"
    assert path.read_bytes() == CONTENT and str(path) in capsys.readouterr().out
    assert [p.name for p in path.parent.iterdir()] == ["co2.csv"]
    assert co2.read_table(path, 1980, 1981).tolist() == [301.0, 302.0]
    assert fetch.fetch("co2", path.parent) == path and len(server.asked) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_connection_is_gone_on_with(server, tmp_path, ranges):
    server.most, server.ranges = 100, ranges
    with pytest.raises(InputError, match=r"cannot be fetched .*; 100 of \d+ bytes are kept and the same call goes on"):
        fetch.fetch("co2", tmp_path)
    assert not (tmp_path / "co2.csv").exists()
    server.most = 10**6
    assert fetch.fetch("co2", tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=100-"]


@pytest.mark.parametrize("content", [CONTENT[:-1] + b"x", CONTENT + b"more"])
def test_another_file_is_refused_and_not_kept(server, tmp_path, content):
    server.content = content
    with pytest.raises(InputError, match="gave another file than 'co2'"):
        fetch.fetch("co2", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mistakes_are_one_sentence(server, tmp_path, capsys, monkeypatch):
    (tmp_path / "co2.csv").write_text("other")
    with pytest.raises(InputError, match="exists and is not the 'co2' of its checksum; move it away"):
        fetch.fetch("co2", tmp_path)
    with pytest.raises(InputError, match="unknown name 'co3'; did you mean 'co2'"):
        fetch.fetch("co3", tmp_path)
    item = fetch.known()["co2"]
    for address, says in ((item.address + "x", "Not Found"), ("http://127.0.0.1:1/a", "refused")):
        other = fetch.Item(item.name, item.file, item.bytes, item.sha256, address, item.text)
        monkeypatch.setattr(fetch, "known", lambda other=other: {"co2": other})
        assert main(["fetch", "co2", "--out", str(tmp_path / "x")]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and says in said and "are you offline?" in said


def test_the_table_of_what_there_is(capsys):
    assert main(["fetch"]) == 0
    said = capsys.readouterr().out
    for row in rows_of("fetch.csv"):
        assert row["name"] in said and len(row["sha256"]) == 64 and int(row["bytes"]) > 0
        assert row["address"].startswith("https://")
