"""A headless Chromium for tests of pages; they are skipped where there is none."""

import shutil

import pytest

SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,900")


def start(language="en-US"):
    """A driver. Skips the test where Chromium, its driver or selenium is missing."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for switch in (*SWITCHES, f"--lang={language}"):
        options.add_argument(switch)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options, webdriver.ChromeService(driver))


class Page:
    """What a test asks of a page that is open."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, *, width=1000, dark=False):
        command = self.driver.execute_cdp_cmd
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        command("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        command("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get(path.as_uri())

    def run(self, script, *arguments):
        return self.driver.execute_script(f"return {script}", *arguments)

    def texts(self, selector):
        """What is shown of each element, as innerText gives it."""
        return self.run("Array.from(document.querySelectorAll(arguments[0]), e => e.innerText.trim())", selector)

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def press(self, *keys):
        """On the element that has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def messages(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]
