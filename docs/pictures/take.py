"""Takes pictures of a report for the README and the docs: on a desk, in the dark, on a phone.

    python docs/pictures/take.py RUN/report.html docs/pictures

Needs the `playwright` package and a Chromium on the path.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SHOTS = {
    "report-light": {"viewport": {"width": 1280, "height": 1600}, "color_scheme": "light"},
    "report-dark": {"viewport": {"width": 1280, "height": 1600}, "color_scheme": "dark"},
    "report-phone": {
        "viewport": {"width": 360, "height": 780},
        "color_scheme": "light",
        "device_scale_factor": 2,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("into", type=Path)
    parser.add_argument("--section", help="the id of the part to start at, such as `missed`")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        for name, settings in SHOTS.items():
            page = browser.new_context(**settings).new_page()
            anchor = f"#{asked.section}" if asked.section else ""
            page.goto(asked.report.resolve().as_uri() + anchor)
            path = asked.into / f"{name}{f'-{asked.section}' if asked.section else ''}.png"
            page.screenshot(path=path)
            print(path)
        browser.close()


if __name__ == "__main__":
    main()
