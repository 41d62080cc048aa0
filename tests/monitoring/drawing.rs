//! Draws a dashboard from recorded answers in a real browser, and says what can be seen.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::dashboards::{Dashboard, list, text};
use crate::support::run::Run;
use crate::support::tools::tool;

/// Width and height of a small laptop's screen.
const SCREEN: (u32, u32) = (1280, 800);

/// What one panel shows.
#[derive(Clone, Debug)]
pub struct Shown {
    pub title: String,
    pub unit: String,
    /// Values, names and labels, as they are written.
    pub texts: Vec<String>,
    /// All of its text.
    pub words: String,
    /// How many values stand behind it.
    pub points: u64,
    /// Words that do not fit.
    pub cut: Vec<String>,
    /// Its lower edge, in pixels from the top of the page.
    pub bottom: u64,
}

impl Shown {
    /// Whether all of it is seen without scrolling.
    pub fn at_first_sight(&self) -> bool {
        self.bottom <= u64::from(SCREEN.1)
    }
}

/// Every panel as it was drawn. The first screen is kept as `build/pictures/NAME.png`; nothing where there is no
/// browser.
pub fn draw(name: &str, board: &Dashboard, answers: &Value) -> Option<Vec<Shown>> {
    let chromium = tool("chromium")?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = root.join("build/pictures").join(name);
    std::fs::create_dir_all(&page).unwrap();
    for file in ["page.html", "draw.js"] {
        std::fs::copy(root.join("tests/monitoring/draw").join(file), page.join(file)).unwrap();
    }
    let data = format!("const board = {};\nconst answers = {answers};\n", board.json);
    std::fs::write(page.join("data.js"), data).unwrap();
    let browse = |action: &str| {
        let home = tempfile::tempdir().unwrap();
        Run::new(&chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", action])
            .arg(format!("--window-size={},{}", SCREEN.0, SCREEN.1))
            .arg(format!("--user-data-dir={}", home.path().display()))
            .arg(format!("file://{}", page.join("page.html").display()))
            .env("HOME", home.path())
            .within(Duration::from_secs(120))
            .run()
            .expect_code(0)
    };
    let picture = page.with_extension("png");
    browse(&format!("--screenshot={}", picture.display()));
    assert!(picture.metadata().unwrap().len() < 300_000, "{} is large", picture.display());
    Some(read(board, &browse("--dump-dom").stdout))
}

/// The summary that the page leaves of itself.
fn read(board: &Dashboard, page: &str) -> Vec<Shown> {
    let (_, rest) = page.split_once("<pre id=\"summary\" hidden=\"\">").unwrap();
    let (summary, _) = rest.split_once("</pre>").unwrap();
    let summary =
        summary.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    let summary: Value =
        serde_json::from_str(&summary).unwrap_or_else(|error| panic!("the page did not finish: {error}"));
    let texts = |one: &Value, name: &str| {
        list(one, name).iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
    };
    let shown = |one: &Value| {
        let panel = board.panels().into_iter().find(|panel| panel["id"] == one["id"]).unwrap();
        Shown {
            title: text(one, "title").to_owned(),
            unit: text(&panel["fieldConfig"]["defaults"], "unit").to_owned(),
            texts: texts(one, "texts"),
            words: text(one, "shown").to_owned(),
            points: one["points"].as_u64().unwrap(),
            cut: texts(one, "cut"),
            bottom: one["bottom"].as_u64().unwrap(),
        }
    };
    list(&summary, "panels").iter().map(shown).collect()
}

/// How a value of this unit ends, whatever its size; nothing for numbers without one.
pub fn endings(unit: &str) -> &'static [&'static str] {
    match unit {
        "s" => &[" µs", " ms", " s", " min", " h", " d"],
        "bytes" => &[" B", " KiB", " MiB", " GiB"],
        "percentunit" => &["%"],
        "ops" => &[" ops/s"],
        "opm" => &[" ops/m"],
        "reqps" => &[" req/s"],
        _ => &[],
    }
}
