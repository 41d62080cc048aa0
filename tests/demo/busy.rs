//! A user with everything set up: files, variables, proxies. The demo must leave all of it alone.

use std::fs::{self, File, FileTimes};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::support::leaks::secret;
use crate::support::run::skip;
use crate::support::{Run, TempHome};

const CONFIG: &str = "[default]\nregion = eu-north-1\nsso_session = corp\nsso_account_id = 999988887777\n\
    sso_role_name = admin\n[sso-session corp]\nsso_region = eu-north-1\nsso_start_url = https://corp.awsapps.com/start\n\
    [profile mine]\nregion = eu-north-1\ncredential_process = ";
const KEYS: &str = "[default]\naws_access_key_id = AKIAMINEMINEMINEMINE\n\
    aws_secret_access_key = default-secret-of-the-users-own\n[prod]\naws_access_key_id = AKIAPRODPRODPRODPROD\n\
    aws_secret_access_key = prod-secret-of-the-users-own\n";
const BOTO: &str = "[Credentials]\naws_access_key_id = AKIABOTOBOTOBOTOBOTO\n\
    aws_secret_access_key = boto-secret-of-the-users-own\n";

/// When a file was read last that nobody has read since.
const LONG_AGO: SystemTime = SystemTime::UNIX_EPOCH;

/// The user.
pub struct Busy {
    home: TempHome,
    runtime: tempfile::TempDir,
    files: Vec<PathBuf>,
}

impl Busy {
    pub fn new() -> Busy {
        let (home, runtime) = (TempHome::new(), tempfile::tempdir().unwrap());
        let called = home.path().join("called");
        let files = vec![
            home.config(&format!("{CONFIG}touch {}\n", called.display())),
            home.credentials(KEYS),
            home.write(".boto", BOTO),
            home.write("jwt", "header.payload-of-the-users-own.signature"),
            home.write(".aws/sso/cache/corp.json", r#"{"accessToken": "sso-token-of-the-users-own"}"#),
        ];
        files.iter().for_each(|file| read_long_ago(file));
        for text in [
            "boto-secret-of-the-users-own",
            "header.payload-of-the-users-own.signature",
            "sso-token-of-the-users-own",
            "proxy-password-of-the-users-own",
        ] {
            secret(text);
        }
        Busy { home, runtime, files }
    }

    /// `keyfob demo` as this user runs it.
    pub fn demo(&self) -> Run {
        Run::keyfob().arg("demo").envs(self.env())
    }

    /// All the user's variables. Every address in them refuses.
    pub fn env(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.home.path().join(name).display().to_string();
        let path = format!("{}/build/venv/bin:/usr/bin:/bin", env!("CARGO_MANIFEST_DIR"));
        let fixed = [
            ("PATH", path.as_str()),
            ("AWS_PROFILE", "mine"),
            ("AWS_DEFAULT_PROFILE", "mine"),
            ("AWS_ACCESS_KEY_ID", "AKIAENVENVENVENVENVE"),
            ("AWS_SECRET_ACCESS_KEY", "environment-secret-of-the-users-own"),
            ("AWS_SESSION_TOKEN", "environment-token-of-the-users-own"),
            ("AWS_ROLE_ARN", "arn:aws:iam::999988887777:role/mine"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/mine"),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9"),
            ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:9"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true"),
            ("AWS_USE_FIPS_ENDPOINT", "true"),
            ("AWS_REGION", "eu-north-1"),
            ("HTTPS_PROXY", "http://me:proxy-password-of-the-users-own@127.0.0.1:9"),
            ("NO_PROXY", "corp.example,.amazonaws.com"),
        ];
        let files = [
            ("HOME", self.home.path().display().to_string()),
            ("XDG_RUNTIME_DIR", self.runtime.path().display().to_string()),
            ("AWS_SHARED_CREDENTIALS_FILE", at(".aws/credentials")),
            ("AWS_CONFIG_FILE", at(".aws/config")),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", at("jwt")),
            ("AWS_CREDENTIAL_FILE", at(".boto")),
        ];
        let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
        fixed.into_iter().chain(files).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The private folders that are there.
    pub fn folders(&self) -> Vec<PathBuf> {
        fs::read_dir(self.runtime.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Stops the test if a file of the user's was read or a program of the user's called, or if something is left.
    #[track_caller]
    pub fn is_untouched(&self) {
        assert!(!self.home.path().join("called").exists(), "credential_process was called");
        assert_eq!(self.folders(), Vec::<PathBuf>::new(), "the private folder is left");
        let read: Vec<&PathBuf> = self.files.iter().filter(|file| last_read(file) != LONG_AGO).collect();
        assert_eq!(read, Vec::<&PathBuf>::new(), "read");
        let mark = self.home.write("mark", "read by this test");
        read_long_ago(&mark);
        fs::read(&mark).unwrap();
        if last_read(&mark) == LONG_AGO {
            skip("files here do not say when they were read (noatime)");
        }
    }
}

fn read_long_ago(path: &Path) {
    File::open(path).unwrap().set_times(FileTimes::new().set_accessed(LONG_AGO)).unwrap();
}

fn last_read(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().accessed().unwrap()
}

/// Who may enter, as octal digits.
pub fn mode(path: &Path) -> String {
    use std::os::unix::fs::PermissionsExt;
    format!("{:o}", fs::metadata(path).unwrap().permissions().mode() & 0o7777)
}
