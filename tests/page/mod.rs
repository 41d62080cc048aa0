//! `/status` in a real browser: at the width of a phone and of a desk, light and dark, by keyboard, and while the agent
//! changes below it.

mod browser;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::aws::Trouble;
use crate::support::{FakeAws, Serving, TempHome, leaks, raw};
use browser::Browser;

const SCREENS: [(&str, u32, u32); 2] = [("phone", 360, 740), ("desk", 1280, 800)];
const BASE: &str = "AKIABASE000000000000";
const ROLES: &str = "\
[[role]]\nname = \"app\"\nrole_arn = \"arn:aws:iam::222233334444:role/app\"\nregion = \"eu-central-1\"\n
[[role]]\nname = \"billing-exports\"\nrole_arn = \"arn:aws:iam::333344445555:role/service/billing-exports\"\n";
/// Text of others, as bad as it can be: it would run, turn around, and be too wide.
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}evil";

struct Scene {
    _home: TempHome,
    aws: FakeAws,
    agent: Serving,
}

impl Scene {
    /// Two roles that are assumed with long-term keys, and these.
    fn start(more: &str, sts: Option<Trouble>) -> Scene {
        let (home, aws) = (TempHome::new(), FakeAws::spawn_thread());
        aws.add_user(BASE, &format!("secret-of-{BASE}"), "123456789012", "alice");
        home.credentials(&format!(
            "[default]\naws_access_key_id = {BASE}\naws_secret_access_key = secret-of-{BASE}\n"
        ));
        aws.sts().set(|knobs| knobs.trouble = sts);
        let config = home.write("keyfob.toml", &format!("{ROLES}{more}"));
        let run = home.path().join("run");
        std::fs::create_dir_all(&run).unwrap();
        let mut env = home.env();
        env.extend(aws.env());
        env.push(("RUNTIME_DIRECTORY".to_owned(), run.display().to_string()));
        env.push(("PATH".to_owned(), std::env::var("PATH").unwrap()));
        env.push(("AWS_DEFAULT_REGION".to_owned(), "eu-west-1".to_owned()));
        let agent = Serving::start(&["--config", config.to_str().unwrap()], env);
        let scene = Scene { _home: home, aws, agent };
        scene.wait(|role| role["state"] != "starting");
        scene
    }

    fn well() -> Scene {
        Scene::start("", None)
    }

    /// AWS refuses two, one has a profile that does not exist, one finds nothing, and one serves long-term keys.
    fn ill() -> Scene {
        let profile = HOSTILE.replace('\u{202e}', "\\u202e");
        let more = format!(
            "\n[[role]]\nname = \"reports\"\nprofile = \"{profile}\"\n[[role]]\nname = \"keys\"\nrequired = false\n\
             [[role]]\nname = \"spare\"\nenv = {{ AWS_SHARED_CREDENTIALS_FILE = \"/dev/null\", AWS_ACCESS_KEY = \"x\", \
             AWS_EC2_METADATA_SERVICE_ENDPOINT = \"http://127.0.0.1:1\" }}\n"
        );
        Scene::start(&more, Some(denied()))
    }

    #[track_caller]
    fn wait(&self, so: impl Fn(&Value) -> bool) {
        let begun = Instant::now();
        loop {
            let status = self.agent.admin("/status").json();
            if status["roles"].as_array().unwrap().iter().all(&so) {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn page(&self) -> raw::Reply {
        raw::get(self.agent.bound.admin, "/status", &[("Accept", "text/html,*/*;q=0.8")])
    }
}

fn denied() -> Trouble {
    let message = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: sts:AssumeRole on resource: \
                   arn:aws:iam::222233334444:role/app &lt;script&gt;alert(2)&lt;/script&gt;";
    Trouble::Status(
        403,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>AccessDenied</Code><Message>{message}</Message></Error><RequestId>01234567-89ab</RequestId></ErrorResponse>"
        ),
    )
}

/// Pairs of a text and the ratio of its colour to what is behind it, where that is under 4.5 (WCAG 2, AA).
const FAINT: &str = "(() => {
  const parts = color => color.match(/[\\d.]+/g).map(Number);
  const light = color => parts(color).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = one => { const color = getComputedStyle(one).backgroundColor;
    return parts(color)[3] === 0 ? behind(one.parentElement) : color; };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), faint = [];
  for (let text = texts.nextNode(); text; text = texts.nextNode()) {
    const one = text.parentElement;
    if (!text.data.trim() || !one.checkVisibility()) continue;
    const [a, b] = [light(getComputedStyle(one).color), light(behind(one))].sort((a, b) => b - a);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push([text.data, ratio]);
  }
  return faint;
})()";

#[track_caller]
fn is_sound(browser: &mut Browser, scene: &Scene) {
    let own = format!("http://{}/status", scene.agent.bound.admin);
    let wide = browser.eval(
        "[...document.querySelectorAll('*')].filter(one => one.getBoundingClientRect().right > innerWidth + 0.5)\
         .filter(one => !one.matches('.skip')).map(one => one.outerHTML.slice(0, 200))",
    );
    assert_eq!(wide, Value::Array(Vec::new()), "wider than the screen");
    assert_eq!(
        browser.eval("document.documentElement.scrollWidth <= document.documentElement.clientWidth"),
        true
    );
    assert_eq!(browser.eval(FAINT), Value::Array(Vec::new()), "hard to read");
    let elsewhere: Vec<String> =
        browser.requests().into_iter().filter(|url| *url != own && !url.starts_with("data:")).collect();
    assert_eq!(elsewhere, Vec::<String>::new());
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    let landmarks =
        "['header', 'main', 'footer', 'h1', 'html[lang]'].map(one => document.querySelectorAll(one).length)";
    assert_eq!(browser.eval(landmarks), serde_json::json!([1, 1, 1, 1, 1]));
    let text = browser.text();
    leaks::look("the status page", &text);
}

/// Goes through the page with Tab alone; what had the focus, in order.
fn tabbed(browser: &mut Browser) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    for _ in 0..60 {
        browser.key("Tab", 9);
        let here = browser.eval(
            "(() => { const one = document.activeElement; if (one === document.body) return ''; \
             return (one.closest('details')?.id || one.className || one.getAttribute('href')) + ' ' \
             + (getComputedStyle(one).outlineStyle !== 'none'); })()",
        );
        match here.as_str().unwrap() {
            "" => return seen,
            here => seen.push(here.to_owned()),
        }
    }
    seen
}

#[test]
fn the_page_is_sound_on_a_phone_and_a_desk_light_and_dark() {
    let Some(mut browser) = Browser::start() else { return };
    for (name, scene) in [("well", Scene::well()), ("ill", Scene::ill())] {
        for (screen, width, height) in SCREENS {
            for scheme in ["light", "dark"] {
                browser.screen(width, height, scheme);
                browser.open(scene.agent.bound.admin);
                is_sound(&mut browser, &scene);
                browser.picture(&format!("status-{name}-{screen}-{scheme}"), false);
            }
            browser.eval("document.querySelectorAll('details').forEach(one => one.open = true)");
            // A command as long as they come.
            browser.eval(
                "document.querySelector('dl.say dd, dl dd').insertAdjacentHTML('beforeend', \
                 `<pre><code>aws sso login --profile ${'x'.repeat(200)}\\n-[prdo]\\n+[prod]</code></pre>`)",
            );
            is_sound(&mut browser, &scene);
            browser.picture(&format!("status-{name}-{screen}-whole"), true);
        }
    }
}

#[test]
fn what_is_wrong_stands_on_the_first_screen_and_the_keyboard_reaches_everything() {
    let Some(mut browser) = Browser::start() else { return };
    let scene = Scene::ill();
    for (_, width, height) in SCREENS {
        browser.screen(width, height, "light");
        browser.open(scene.agent.bound.admin);
        assert_eq!(browser.eval("document.title"), "4 of 5 roles have no credentials · keyfob");
        // The first role that fails: its cause, why and the first words of what to do about it, without scrolling; a
        // command below them may be as long as it is.
        let fix = browser
            .eval("document.querySelector('main dl.say dt:nth-of-type(2)').getBoundingClientRect().top");
        assert!(fix.as_f64().unwrap() + 48.0 < f64::from(height), "what to do begins at {fix} of {height}");
        for first in ["h1", "main .cause", "main dl.say dt"] {
            let bottom =
                browser.eval(&format!("document.querySelector('{first}').getBoundingClientRect().bottom"));
            assert!(bottom.as_f64().unwrap() < f64::from(height), "{first} at {bottom} of {height}");
        }
    }
    let text = browser.text();
    for said in [
        "STS-DENIED",
        "PROFILE-UNKNOWN",
        "KF-STATIC",
        "<img src=x onerror=alert(1)>\u{fffd}evil",
        "failing since",
    ] {
        assert!(text.contains(said), "{said} is not in\n{text}");
    }
    assert!(text.contains("Also worth a look"), "{text}");
    let tabs = tabbed(&mut browser);
    assert_eq!(tabs.first().map(String::as_str), Some("skip true"), "{tabs:?}");
    for role in ["app", "billing-exports", "reports", "keys", "spare"] {
        assert!(tabs.contains(&format!("walk-{role} true")), "{role} is not among {tabs:?}");
    }
}

#[test]
fn the_page_follows_the_agent_and_says_when_it_is_gone() {
    let Some(mut browser) = Browser::start() else { return };
    let scene = Scene::start("", Some(denied()));
    browser.screen(1280, 800, "light");
    browser.open(scene.agent.bound.admin);
    assert_eq!(browser.eval("document.title"), "Both roles have no credentials · keyfob");
    browser.eval("document.getElementById('walk-app').open = true");
    browser.eval("document.querySelector('#walk-app summary').focus()");
    scene.aws.sts().set(|sts| sts.trouble = None);
    scene.agent.process.signal(nix::sys::signal::Signal::SIGUSR1);
    scene.wait(|role| role["state"] == "ok");
    browser.wait("document.title === 'Both roles have credentials · keyfob'");
    assert_eq!(browser.eval("document.getElementById('walk-billing-exports').open"), false);
    assert_eq!(browser.eval("document.getElementById('walk-app').open"), true, "as it was left");
    let counted = "document.querySelector('#page time[data-in]').textContent.startsWith('in ')";
    assert_eq!(browser.eval(counted), true);
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    assert_eq!(browser.eval("document.getElementById('lost').checkVisibility()"), false);
    scene.agent.process.stop();
    browser.eval("scrollTo(0, 9999)");
    browser.wait("document.getElementById('lost').checkVisibility()");
    let top = browser.eval("document.getElementById('lost').getBoundingClientRect().top");
    assert!((0.0..800.0).contains(&top.as_f64().unwrap()), "{top}: in sight wherever the reader is");
    browser.picture("status-lost-desk", false);
}

#[test]
fn the_page_is_whole_without_a_script_and_small() {
    let scene = Scene::ill();
    let page = scene.page();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'; "));
    leaks::look("the status page", &page.body);
    assert!(!page.body.contains("<img") && !page.body.contains("alert(2)</script>"), "{}", page.body);
    assert!(page.body.contains("<noscript><meta http-equiv=\"refresh\""));
    assert!(page.body.contains("failing since "), "{}", page.body);
    let (whole, bare) = (page.body.len(), 10_000);
    assert!((bare..32_000).contains(&whole), "{whole} bytes");
    println!("PAGE of 5 roles, 4 of them failing: {whole} bytes");
    for accept in ["*/*", "application/json", "application/json, text/html;q=0.9"] {
        let reply = raw::get(scene.agent.bound.admin, "/status", &[("Accept", accept)]);
        assert_eq!(reply.header("content-type"), Some("application/json"), "{accept}");
    }
}
