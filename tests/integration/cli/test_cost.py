"""`imagegen cost` as a process: what it shows, refuses and draws. It calls no service."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from imagegen_cli.cost.tariff import OWN_FILE
from tests.conftest import ROOT
from tests.integration.cli.conftest import CommandLine

PAGE = (ROOT / "docs" / "cost.md").read_text()
CHOICES = ["lambda", "lambda-provisioned", "lambda-gpu", "gpu-server", "hosted-api"]


def test_the_table_names_every_choice_the_break_evens_and_the_assumptions(cli: CommandLine) -> None:
    done = cli.run("cost", "--images", "100000")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "100,000 images a month: sd-turbo, 512 x 512, 2 steps, us-east-1, list prices"
    assert lines[3].split() == ["Lambda,", "CPU,", "on", "demand", "181.18", "0.001812", *lines[3].split()[6:]]
    assert any(line.endswith("Lambda, CPU, on demand -> EC2 GPU server, always on") for line in lines)
    assert any("measured 2026-11-22" in line for line in lines)
    assert any("published, not measured here" in line for line in lines)


@pytest.mark.parametrize("command", ["cost --images 100000", "cost --idle"])
def test_the_page_shows_what_the_command_shows(cli: CommandLine, command: str) -> None:
    (shown,) = re.findall(rf"^\$ imagegen {command}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert cli.run(*command.split()).stdout.startswith(shown)


def test_json_has_every_line_of_every_bill(cli: CommandLine) -> None:
    document = json.loads(cli.run("cost", "--images", "5000", "--json").stdout)
    assert [each["id"] for each in document["choices"]] == CHOICES
    for choice in document["choices"]:
        assert sum(line["usd"] for line in choice["lines"]) == pytest.approx(choice["monthly_usd"])
        assert choice["usd_per_image"] == pytest.approx(choice["monthly_usd"] / 5000)
        assert all(line["usd"] == line["list_usd"] for line in choice["lines"])
    assert document["prices"] | {"noted": ""} == {
        "region": "us-east-1",
        "noted": "",
        "currency": "USD, list prices, on demand, without tax",
        "free_tier": False,
    }


def test_a_choice_without_figures_says_which_option_has_them(cli: CommandLine) -> None:
    document = json.loads(cli.run("cost", "--model", "demo", "--json").stdout)
    missing = {each["id"]: each.get("missing") for each in document["choices"]}
    assert missing["lambda"] is None
    assert str(missing["gpu-server"]).endswith("pass --gpu-seconds")
    assert str(missing["hosted-api"]).endswith("pass --hosted-usd-per-image")
    assert "pass --gpu-seconds" in cli.run("cost", "--model", "demo").stdout
    given = ("--gpu-seconds", "0.1", "--hosted-usd-per-image", "0.001")
    document = json.loads(cli.run("cost", "--model", "demo", *given, "--json").stdout)
    assert all(each["monthly_usd"] > 0 for each in document["choices"])


@pytest.mark.parametrize("region", ["us-east-1", "us-east-2", "us-west-2"])
def test_every_region_that_has_prices_can_be_asked_for(cli: CommandLine, region: str) -> None:
    assert region in cli.run("cost", "--region", region).stdout


def test_the_idle_bill_lists_every_item(cli: CommandLine) -> None:
    lines = cli.run("cost", "--idle").stdout.splitlines()
    assert lines[-3].split() == ["total", "5.2951", "0.4944"]
    assert len(lines) == 17


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "0"], "--images: 0 is not in 1 to 100,000,000."),
        (["--images", "-5"], "--images: -5 is not in 1 to 100,000,000."),
        (["--images", "100000001"], "--images: 1e+08 is not in 1 to 100,000,000."),
        (["--model", "sd-9"], "known are demo, sd-turbo, sd-1.5, bk-sdm-small, lcm-dreamshaper-7, sdxl-turbo"),
        (["--model", "bk-sdm-small"], "no step time was measured for bk-sdm-small; pass --step-seconds."),
        (["--model", "sdxl-turbo", "--cpu", "bfloat16"], "not measured with bfloat16, but with avx512, avx2."),
        (["--region", "eu-west-9"], "there are some for us-east-1, us-east-2, us-west-2"),
        (["--idle", "--region", "mars"], "there are some for us-east-1, us-east-2, us-west-2"),
        (["--width", "0"], "--width: 0 is not in 64 to 2,048."),
        (["--height", "513"], "--height: 513 is not a multiple of 8."),
        (["--steps", "0"], "--steps: 0 is not in 1 to 1,000."),
        (["--memory", "2048"], "--memory: sd-turbo needs 6,500 to 10,240 MB."),
        (["--memory", "10241"], "--memory: sd-turbo needs 6,500 to 10,240 MB."),
        (["--cpu", "sse"], "--cpu: 'sse' is none of avx2, avx512, bfloat16."),
        (["--step-seconds", "0"], "--step-seconds: 0 is not in 0.0001 to 86,400."),
        (["--step-seconds", "nan"], "--step-seconds: nan is not in 0.0001 to 86,400."),
        (["--gpu-seconds", "-1"], "--gpu-seconds: -1 is not in 0.0001 to 86,400."),
        (["--gpu-seconds", "inf"], "--gpu-seconds: inf is not in 0.0001 to 86,400."),
        (["--gpu", "p9.huge"], "there are prices for g4dn.xlarge, g5.xlarge, g5.2xlarge, g6.xlarge, g6.2xlarge."),
        (["--active-hours", "731"], "--active-hours: 731 is not in 1 to 730."),
        (["--peak", "0.5"], "--peak: 0.5 is not in 1 to 1,000."),
        (["--cold-start-share", "1.1"], "--cold-start-share: 1.1 is not in 0 to 1."),
        (["--provisioned", "0"], "--provisioned: 0 is not in 1 to 1,000."),
        (["--hosted-usd-per-image", "-0.1"], "--hosted-usd-per-image: -0.1 is not in 0 to 1,000."),
        (["--chart", "cost.pdf"], "--chart: cost.pdf must end in .png or .svg."),
        (["--idle", "--chart", "cost.png"], "--idle: nothing to draw; leave out --idle or --chart."),
        (["--prices", "absent.json"], "--prices: absent.json cannot be read: No such file or directory."),
        (["--images", "many"], "--images"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_what_is_allowed(cli: CommandLine, options: list[str], message: str) -> None:
    done = cli.run("cost", *options, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    failure = json.loads(done.stderr)
    assert failure["code"] == "usage"
    assert message in failure["detail"]
    assert cli.files() == []


def test_own_prices_replace_those_of_the_package(cli: CommandLine) -> None:
    prices = json.loads(OWN_FILE.read_text())
    prices["regions"] = {"eu-west-1": prices["regions"]["us-east-1"] | {"lambda_gb_second": 0.0}}
    (cli.folder / "mine.json").write_text(json.dumps(prices))
    done = cli.run("cost", "--prices", "mine.json", "--region", "eu-west-1", "--images", "100000", "--json")
    on_demand = json.loads(done.stdout)["choices"][0]
    assert on_demand["monthly_usd"] == pytest.approx(181.178 - 165.334 - 0.124, rel=0.001)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda prices: prices["regions"]["us-east-1"].pop("transfer_gb"), "us-east-1 and the meters differ"),
        (lambda prices: prices["regions"]["us-east-1"].update(transfer_gb=-1), "regions.us-east-1.transfer_gb"),
        (lambda prices: prices["regions"]["us-east-1"].update(transfer_gb="free"), "regions.us-east-1.transfer_gb"),
        (lambda prices: prices.update(discount=1), "discount"),
        (lambda prices: prices.pop("noted"), "noted"),
    ],
)  # fmt: skip
def test_prices_that_are_incomplete_or_no_numbers_are_refused(cli: CommandLine, change: object, where: str) -> None:
    prices = json.loads(OWN_FILE.read_text())
    assert callable(change)
    change(prices)
    (cli.folder / "mine.json").write_text(json.dumps(prices))
    done = cli.run("cost", "--prices", "mine.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert where in done.stderr


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_file_that_is_no_json_object_is_refused(cli: CommandLine, content: str) -> None:
    (cli.folder / "mine.json").write_text(content)
    done = cli.run("cost", "--prices", "mine.json")
    assert done.returncode == 2
    assert "mine.json is no file of prices" in done.stderr


def test_the_chart_is_a_png(cli: CommandLine) -> None:
    done = cli.run("cost", "--chart", "cost.png", "--json")
    assert done.returncode == 0, done.stderr
    with Image.open(cli.folder / "cost.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (900, 520))
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 100


def test_the_chart_is_an_svg_with_the_same_bytes_each_time(cli: CommandLine) -> None:
    for name in ("one.svg", "two.SVG"):
        assert cli.run("cost", "--chart", name).returncode == 0
    one = (cli.folder / "one.svg").read_bytes()
    assert one == (cli.folder / "two.SVG").read_bytes()
    assert b"<svg" in one
    assert one.rstrip().endswith(b"</svg>")


def test_a_chart_that_cannot_be_written_is_code_12(cli: CommandLine) -> None:
    done = cli.run("cost", "--chart", "no-such-folder/cost.png")
    assert (done.returncode, done.stdout) == (12, "")


def test_without_matplotlib_only_the_chart_is_refused(script: Path, tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ImportError")
    environment = {"PYTHONPATH": f"{tmp_path}:{script.parents[1]}"}
    for options, code in ([], 0), (["--chart", str(tmp_path / "cost.png")], 2):
        command = [sys.executable, "-m", "imagegen_cli", "cost", *options]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code
    assert "pip install '.[chart]'" in done.stderr
