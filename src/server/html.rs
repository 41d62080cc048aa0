//! Writes HTML that says only what was meant: markup is written here, everything else goes in as text.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use aws_smithy_types::base64;
use hyper::header::HeaderValue;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// What the page may do: its own style and script, by their hashes, and itself once more. Nothing from elsewhere.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| base64::encode(digest(&SHA256, text.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// How something stands, as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Nothing to do.
    Good,
    /// It works, and somebody should look.
    Warn,
    /// It does not work.
    Bad,
}

impl Tone {
    /// Of text.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    const fn icon(self) -> &'static str {
        match self {
            Self::Good => "%2317692f",
            Self::Warn => "%23b97a00",
            Self::Bad => "%23b0201a",
        }
    }
}

/// HTML in the making.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Markup: only what is written in the source can be.
    pub(super) fn put(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, between tags or in a quoted attribute. What would turn or hide the text around it is shown as �.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for char in text.chars() {
            match char {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(char),
                '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                    self.0.push('\u{fffd}');
                }
                _ if char.is_control() => self.0.push('\u{fffd}'),
                _ => self.0.push(char),
            }
        }
        self
    }

    /// A whole document around what has been written.
    pub(super) fn document(&self, title: &str, tone: Tone) -> String {
        let mut page = Self::default();
        page.put("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>")
            .text(title)
            .put(" · keyfob</title>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
            .put("<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>\n")
            .put("<link rel=\"icon\" href=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'>")
            .put("<circle cx='4' cy='4' r='4' fill='")
            .put(tone.icon())
            .put("'/></svg>\">\n<style>")
            .put(STYLE)
            .put("</style>\n</head>\n<body>\n");
        page.0.push_str(&self.0);
        page.put("<script>").put(SCRIPT).put("</script>\n</body>\n</html>\n");
        page.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup_and_turns_nothing_around() {
        let mut html = Html::default();
        html.text("<b x='\"'>&\u{202e}gpj\u{0}\u{1b}[31m\né</b>");
        assert_eq!(html.0, "&lt;b x=&#39;&quot;&#39;&gt;&amp;\u{fffd}gpj\u{fffd}\u{fffd}[31m\né&lt;/b&gt;");
    }

    #[test]
    fn the_policy_allows_nothing_but_what_is_in_the_page() {
        let policy = POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe") && !SCRIPT.contains("</") && !STYLE.contains("</"));
    }
}
