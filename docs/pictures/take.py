"""Takes pictures of a report for the README and the docs: on a desk, in the dark, on a phone.

    python docs/pictures/take.py RUN/report.html docs/pictures --readme

With `--readme` it makes the picture of the README: the top of the page beside its missed copies. Needs the `playwright`
package and a Chromium on the path.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
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
    parser.add_argument("--readme", action="store_true", help="make the picture of the README instead")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    if asked.readme:
        print(readme(asked.report, asked.into / "report.png"))
        return
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


def readme(report: Path, path: Path) -> Path:
    """The top of a report beside its missed copies, in one picture."""
    parts: list[Image.Image] = []
    with sync_playwright() as player:
        browser_path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = player.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": 1060, "height": 1300}, color_scheme="light").new_page()
        for anchor in ("", "#missed"):
            page.goto(report.resolve().as_uri() + anchor)
            parts.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        browser.close()
    both = Image.new("RGB", (2120, 1300), "white")
    for at, part in enumerate(parts):
        both.paste(part, (1060 * at, 0))
    both.resize((1484, 910), Image.Resampling.LANCZOS).quantize(256).save(path, optimize=True)
    return path


if __name__ == "__main__":
    main()
