//! Draws a dashboard from recorded answers, in a real browser, and looks at what came out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::dashboards::Dashboard;
use crate::support::run::Run;
use crate::support::tools::tool;

pub fn draw(name: &str, board: &Dashboard, answers: &Value) {
    let folder = Path::new("/tmp/boards-out").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/monitoring/draw");
    for file in ["page.html", "draw.js"] {
        std::fs::copy(here.join(file), folder.join(file)).unwrap();
    }
    std::fs::write(
        folder.join("data.js"),
        format!("const board = {};\nconst answers = {answers};\n", board.json),
    )
    .unwrap();
}
