//! Certificates that a private authority has issued, made with openssl.

use std::path::PathBuf;

use super::home::TempHome;
use super::run::Run;
use super::tools::tool;

/// An authority (`ca.pem`), and whom it vouches for (`NAME.pem`, `NAME.key`).
pub struct Papers {
    home: TempHome,
    openssl: PathBuf,
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

impl Papers {
    /// The authority alone; None where openssl is not there.
    #[track_caller]
    pub fn make() -> Option<Papers> {
        let papers = Papers { openssl: tool("openssl")?, home: TempHome::new() };
        papers.run(&format!("req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=test-authority -days 2"));
        Some(papers)
    }

    /// A certificate and its key for this subject, `IP:127.0.0.1` or `DNS:localhost`.
    #[track_caller]
    pub fn issue(&self, name: &str, subject: &str) {
        let more = format!("-addext subjectAltName={subject}");
        self.run(&format!("req {KEY} -keyout {name}.key -out {name}.csr -subj /CN={name} {more}"));
        self.run(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out {name}.pem"
        ));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    #[track_caller]
    fn run(&self, command: &str) {
        let run = Run::new(&self.openssl).args(command.split(' ')).dir(self.home.path());
        run.envs(self.home.env()).run().expect_code(0);
    }
}
