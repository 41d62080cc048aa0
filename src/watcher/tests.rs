//! The watcher on a real file system. Waits are bounded by what the contract promises: two seconds.

use std::os::unix::fs::symlink;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::*;

const NOTICED: Duration = Duration::from_secs(2);
/// Long enough for an event to have come, had there been one to come.
const QUIET: Duration = Duration::from_millis(300);

/// Writes down what is told of files.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Observe for Recorder {
    fn observe(&self, event: &Event<'_>) {
        let told = match event {
            Event::Watching { files, events } => format!("{files:?} {events}"),
            Event::FileChanged(kind, change) => format!("{} {}", kind.as_str(), change.as_str()),
            _ => return,
        };
        self.0.lock().unwrap().push(told);
    }
}

struct Scene {
    folder: TempDir,
    watcher: Watcher,
    feed: Feed,
    told: Arc<Recorder>,
    _task: tokio::task::JoinHandle<()>,
}

impl Scene {
    #[expect(clippy::disallowed_methods, reason = "a test's own task")]
    fn new() -> Self {
        let told = Arc::new(Recorder::default());
        let observers = Observers::new(vec![Arc::clone(&told) as Arc<dyn Observe>]);
        let (watcher, task) = Watcher::new(Clock::host(), observers);
        let folder = tempfile::tempdir().unwrap();
        Self { folder, watcher, feed: Feed::new("test"), told, _task: tokio::spawn(task) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    async fn follow(&mut self, name: &str) -> Sight {
        let path = self.path(name);
        let read = vec![(Kind::Credentials, path.clone(), file::stamp(&path))];
        self.watcher.follow(&mut self.feed, read).await
    }

    async fn noticed(&mut self) -> PathBuf {
        tokio::time::timeout(NOTICED, self.feed.changed()).await.expect("a change within two seconds")
    }

    async fn quiet(&mut self) {
        let heard = tokio::time::timeout(QUIET, self.feed.changed()).await;
        assert!(heard.is_err(), "nothing changed, yet heard {heard:?}");
    }
}

#[tokio::test]
async fn a_rewritten_file_is_noticed() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    assert!(scene.follow("credentials").await.changed.is_none());
    scene.write("credentials", "two");
    assert_eq!(scene.noticed().await, scene.path("credentials"));
}

#[tokio::test]
async fn a_file_renamed_over_the_old_one_is_noticed() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    scene.write("new", "two");
    std::fs::rename(scene.path("new"), scene.path("credentials")).unwrap();
    scene.noticed().await;
}

#[tokio::test]
async fn a_deleted_file_is_noticed_and_its_return_too() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    std::fs::remove_file(scene.path("credentials")).unwrap();
    scene.noticed().await;
    scene.write("credentials", "one");
    scene.noticed().await;
}

#[tokio::test]
async fn a_kubernetes_swap_is_noticed() {
    let mut scene = Scene::new();
    for (version, text) in [("..1", "one"), ("..2", "two")] {
        std::fs::create_dir(scene.path(version)).unwrap();
        scene.write(&format!("{version}/credentials"), text);
    }
    symlink("..1", scene.path("..data")).unwrap();
    symlink("..data/credentials", scene.path("credentials")).unwrap();
    scene.follow("credentials").await;
    symlink("..2", scene.path("..data_tmp")).unwrap();
    std::fs::rename(scene.path("..data_tmp"), scene.path("..data")).unwrap();
    scene.noticed().await;
    // And what the link points to now is watched as well.
    scene.write("..2/credentials", "three");
    scene.noticed().await;
}

#[tokio::test]
async fn a_folder_that_appears_later_is_noticed() {
    let mut scene = Scene::new();
    scene.follow("home/.aws/credentials").await;
    std::fs::create_dir_all(scene.path("home/.aws")).unwrap();
    scene.write("home/.aws/credentials", "one");
    scene.noticed().await;
}

#[tokio::test]
async fn a_folder_replaced_by_another_is_noticed_and_watched() {
    let mut scene = Scene::new();
    std::fs::create_dir(scene.path("aws")).unwrap();
    scene.write("aws/credentials", "one");
    scene.follow("aws/credentials").await;
    std::fs::rename(scene.path("aws"), scene.path("old")).unwrap();
    std::fs::create_dir(scene.path("aws")).unwrap();
    scene.write("aws/credentials", "two");
    scene.noticed().await;
    scene.write("aws/credentials", "three");
    scene.noticed().await;
}

#[tokio::test]
async fn a_touched_file_with_the_same_content_is_no_change() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    scene.write("credentials", "one");
    scene.quiet().await;
}

#[tokio::test]
async fn a_change_between_reading_and_following_is_not_lost() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    let read = vec![(Kind::Credentials, scene.path("credentials"), file::stamp(&scene.path("credentials")))];
    scene.write("credentials", "two");
    let sight = scene.watcher.follow(&mut scene.feed, read).await;
    assert_eq!(sight.changed, Some(scene.path("credentials")));
    scene.quiet().await;
}

#[tokio::test]
async fn a_file_being_written_is_not_settled_until_it_is_closed() {
    use std::io::Write;
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    let mut file = std::fs::File::create(scene.path("credentials")).unwrap();
    file.write_all(b"tw").unwrap();
    scene.noticed().await;
    assert!(!scene.follow("credentials").await.settled);
    // Closing without another byte changes nothing, yet whoever waited hears of it.
    drop(file);
    scene.noticed().await;
    assert!(scene.follow("credentials").await.settled);
}

#[tokio::test]
async fn a_forgotten_follower_hears_nothing() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    scene.watcher.forget("test");
    scene.write("credentials", "two");
    scene.quiet().await;
}

#[tokio::test]
async fn a_change_is_told_once_with_its_kind_however_many_follow() {
    let mut scene = Scene::new();
    scene.write("credentials", "one");
    scene.follow("credentials").await;
    let path = scene.path("credentials");
    let mut other = Feed::new("other");
    let read = vec![(Kind::Credentials, path.clone(), file::stamp(&path))];
    scene.watcher.follow(&mut other, read).await;
    scene.write("credentials", "two");
    scene.noticed().await;
    scene.write("new", "three");
    std::fs::rename(scene.path("new"), &path).unwrap();
    scene.noticed().await;
    std::fs::remove_file(&path).unwrap();
    scene.noticed().await;
    scene.quiet().await;
    let told = std::mem::take(&mut *scene.told.0.lock().unwrap());
    let followed = ["[] true", "[(Credentials, 1)] true"];
    let changes = ["credentials modify", "credentials replace", "credentials delete"];
    assert_eq!(told, [followed.as_slice(), changes.as_slice()].concat());
}
