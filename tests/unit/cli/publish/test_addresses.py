"""Only public addresses may be wrapped, in any spelling."""

import json
import subprocess

import pytest

from cli.publish.scripts import templates
from cli.publish.scripts.addresses import why_refused
from dev.layout import HERE
from dev.setup.node import find_node

PUBLIC = (
    "https://api.example.com/v1?x=1",
    "http://api.example.com:8080",
    "https://93.184.216.34/",
    "https://[2606:4700::1111]/",
    "https://bücher.example/",
    "https://local.example.com",
)
OTHERS = (
    "http://localhost",
    "http://LOCALHOST.",
    "http://a.localhost:8080",
    "http://printer.local",
    "http://db.internal",
    "http://router",
    "http://127.0.0.1",
    "http://127.1",
    "http://2130706433",
    "http://0x7f000001",
    "http://0x7f.1",
    "http://017700000001",
    "http://0177.0.0.1",
    "http://127.0.0.1.",
    "http://\uff11\uff12\uff17.0.0.1",
    "http://127\u30020\u30020\u30021",
    "http://10.1.2.3",
    "http://172.31.0.1",
    "http://192.168.1.1",
    "http://169.254.169.254/latest/meta-data",
    "http://100.64.0.1",
    "http://0.0.0.0",
    "http://224.0.0.1",
    "http://255.255.255.255",
    "http://999.1.1.1",
    "http://[::1]",
    "http://[::]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[fd00::1]",
    "http://[fe80::1]",
    "http://[fe80::1%25eth0]",
    "http://[64:ff9b::7f00:1]",
    "http://[2002:7f00:1::]",
    "http://[2001:db8::1]",
    "http://[2001::1]",
    "http://%6c%6f%63alhost",
    "https://user:secret@api.example.com",
    "https://@api.example.com",
    "ftp://api.example.com",
    "file:///etc/passwd",
    "gopher://api.example.com",
    "api.example.com",
    "https://",
    "https://api.example.com:22",
    "https://api.example.com:99999",
    "https://api.example.com\\@127.0.0.1",
    "https://api.example.com/\n",
    "https://api.example.com/#part",
)
NOT_IN_SCRIPT = {"api.example.com", "https://", "https://api.example.com/\n"}
NOT_IN_SCRIPT |= {"https://@api.example.com", "https://api.example.com/#part"}
NOT_IN_SCRIPT |= {"https://api.example.com\\@127.0.0.1"}
"""URLs that the script cannot get: its URLs are absolute and normalized."""


@pytest.mark.parametrize("url", PUBLIC)
def test_public_addresses_are_allowed(url: str) -> None:
    assert why_refused(url) is None


@pytest.mark.parametrize("url", OTHERS)
def test_other_addresses_are_rejected(url: str) -> None:
    assert why_refused(url)


def test_private_addresses_are_allowed_with_an_option() -> None:
    assert why_refused("http://127.0.0.1:9", allow_private=True) is None
    assert why_refused("ftp://127.0.0.1", allow_private=True)


def test_the_published_script_rejects_the_same_addresses() -> None:
    urls = [*PUBLIC, *(url for url in OTHERS if url not in NOT_IN_SCRIPT)]
    target = next(one for one in templates.template("wrap") if one.name == "target.js")
    code = f"""{target.content.decode()}
const urls = {json.dumps(urls)};
const refused = urls.filter((url) => !URL.canParse(url) || whyRefused(new URL(url), false));
console.log(JSON.stringify(refused));
"""
    ran = subprocess.run(
        [find_node(HERE), "--input-type=module", "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(ran.stdout) == urls[len(PUBLIC) :]
