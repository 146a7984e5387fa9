//! A page in Chromium, as a person and an auditor use it.

use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use silverback_conformance::{Driver, Failure, Result, installed};
use tokio::time::{Instant, sleep};

const SOON: Duration = Duration::from_secs(20);

/// What is asked of each page: labels, names, ids, contrast, the order of headings, landmarks. Colours that are on their way to others are waited for.
const AUDIT: &str = "
    const done = arguments[arguments.length - 1];
    const only = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
    const onTheirWay = document.getAnimations().filter((animation) => animation instanceof CSSTransition);
    Promise.allSettled(onTheirWay.map(({ finished }) => finished)).then(() => axe.run(document, only)).then(
      ({ violations }) => done(violations.flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) =>
        `${id} at ${target.join(' ')}: ${failureSummary.replaceAll('\\n', ' ')}`))),
      (error) => done([String(error)]),
    );";

/// What stands out of the page on the right or left, but for what scrolls by itself.
const OVERFLOWS: &str = "
    const width = document.documentElement.clientWidth;
    const isOut = (node) => { const { left, right, width: own } = node.getBoundingClientRect(); return own && (right > width + 1 || left < -1); };
    return [...document.querySelectorAll('body *')].filter((node) => isOut(node) && !node.closest('.skip, .unseen, pre, .lines'))
      .map((node) => `${node.tagName}.${node.getAttribute('class')}#${node.id}`);";

/// A browser with one page.
pub(crate) struct Page {
    pub(crate) browser: Client,
    driver: Driver,
}

impl Page {
    pub(crate) async fn open() -> Result<Self> {
        let driver = Driver::start()?;
        let browser = ClientBuilder::new(HttpConnector::new()).capabilities(driver.capabilities()?).connect(&driver.url).await?;
        Ok(Self { browser, driver })
    }

    /// Does something with it, within this time, and closes it: also after a failure, since a browser outlives its driver's sudden end.
    pub(crate) async fn within<T>(self, limit: Duration, visit: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let outcome = tokio::time::timeout(limit, visit(&self)).await;
        if let Ok(Err(failure)) = &outcome {
            let seen = self.js("return document.body.innerText.slice(0, 3000)").await;
            println!("{failure}; the page:\n{}", seen.ok().as_ref().and_then(Value::as_str).unwrap_or_default());
        }
        let closed = self.browser.clone().close().await;
        let value = outcome??;
        closed?;
        Ok(value)
    }

    pub(crate) async fn find(&self, selector: &str) -> Result<Element> {
        let found = self.browser.wait().at_most(SOON).for_element(Locator::Css(selector)).await;
        found.map_err(|error| Failure::new(format!("{selector}: {error}")))
    }

    /// Presses what this selector finds.
    pub(crate) async fn press(&self, selector: &str) -> Result<()> {
        let element = self.find(selector).await?;
        element.click().await.map_err(|error| Failure::new(format!("{selector}: {error}")))
    }

    /// Writes into a box, in place of what is there.
    pub(crate) async fn write(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.find(selector).await?;
        element.clear().await?;
        Ok(element.send_keys(text).await?)
    }

    pub(crate) async fn js(&self, script: &str) -> Result<Value> {
        Ok(self.browser.execute(script, Vec::new()).await?)
    }

    /// Goes to a page of the console by its address, as a link does.
    pub(crate) async fn show(&self, hash: &str) -> Result<()> {
        self.browser.execute("location.hash = arguments[0]", vec![hash.into()]).await?;
        Ok(())
    }

    /// Waits until some script gives something true, and gives it.
    pub(crate) async fn until(&self, what: &str, script: &str) -> Result<Value> {
        let start = Instant::now();
        loop {
            let value = self.js(script).await?;
            if !matches!(value, Value::Null | Value::Bool(false)) && value != "" && value != 0 {
                return Ok(value);
            }
            expect(start.elapsed() < SOON, || format!("waited in vain for {what}: {script}"))?;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the first such element's text is this.
    pub(crate) async fn text_is(&self, selector: &str, wanted: &str) -> Result<()> {
        self.text(selector, wanted, |text| text.trim() == wanted).await
    }

    /// Waits until the first such element's text has this in it.
    pub(crate) async fn text_has(&self, selector: &str, wanted: &str) -> Result<()> {
        self.text(selector, wanted, |text| text.contains(wanted)).await
    }

    async fn text(&self, selector: &str, wanted: &str, is_it: impl Fn(&str) -> bool) -> Result<()> {
        let start = Instant::now();
        let script = "return document.querySelector(arguments[0])?.innerText ?? null";
        loop {
            let text = self.browser.execute(script, vec![selector.into()]).await?;
            if text.as_str().is_some_and(&is_it) {
                return Ok(());
            }
            expect(start.elapsed() < SOON, || format!("{selector} is {text}, not {wanted:?}"))?;
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Gives the page this size, as on a telephone where it is narrow.
    pub(crate) async fn size(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.tell("Emulation.setDeviceMetricsOverride", &size).await
    }

    /// What the system prefers: `light` or `dark`.
    pub(crate) async fn system_prefers(&self, scheme: &str) -> Result<()> {
        self.tell("Emulation.setEmulatedMedia", &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] })).await
    }

    async fn tell(&self, command: &str, parameters: &Value) -> Result<()> {
        self.driver.tell(&self.session().await?, command, parameters)
    }

    async fn session(&self) -> Result<String> {
        self.browser.session_id().await?.ok_or_else(|| Failure::new("the browser has no session"))
    }

    /// A picture, in `target/conformance/`.
    pub(crate) async fn picture(&self, name: &str) -> Result<()> {
        let path = installed::directory()?.join(name);
        std::fs::write(&path, self.browser.screenshot().await?)?;
        println!("a picture: {}", path.display());
        Ok(())
    }

    /// Nothing is without a label, too faint, or out of the page.
    pub(crate) async fn audit(&self, name: &str) -> Result<()> {
        if self.js("return typeof axe").await? == "undefined" {
            let axe = installed::directory()?.join("axe-core/node_modules/axe-core/axe.min.js");
            let axe = std::fs::read_to_string(&axe).map_err(|_| Failure::new("axe-core is not installed; run `cargo xtask setup`"))?;
            self.browser.execute(&format!("{axe}; window.axe = axe;"), Vec::new()).await?;
        }
        let found = self.browser.execute_async(AUDIT, Vec::new()).await?;
        expect(found.as_array().is_some_and(Vec::is_empty), || format!("the audit of {name}: {found:#}"))?;
        let out = self.js(OVERFLOWS).await?;
        expect(out.as_array().is_some_and(Vec::is_empty), || format!("out of the page, {name}: {out}"))
    }

    /// What the page's console holds that is severe.
    pub(crate) async fn errors(&self) -> Result<Vec<String>> {
        self.driver.severe_console_entries(&self.session().await?)
    }

    /// Nothing is wrong with what was shown so far.
    pub(crate) async fn has_no_errors(&self) -> Result<()> {
        let severe = self.errors().await?;
        expect(severe.is_empty(), || format!("the page's console:\n  {}", severe.join("\n  ")))
    }
}

/// An assertion that does not panic: the browser is still to be closed.
pub(crate) fn expect(holds: bool, failure: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::new(failure())) }
}
