//! clade, as it runs beside a cluster.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use super::server::{Server, clade, eventually};

/// A running clade; killed when dropped.
pub(super) struct Clade {
    child: Child,
    log: PathBuf,
}

impl Clade {
    /// `clade run --kubernetes` on a data directory.
    pub(super) fn run(server: &Server, dir: &Path) -> Self {
        Self::run_with(server, dir, &[])
    }

    /// The same with further arguments.
    pub(super) fn run_with(server: &Server, dir: &Path, more: &[&str]) -> Self {
        Self::again(&server.service("openshift-single", "clade"), dir, more)
    }

    /// The same once more on the same API server, which lets it do what it has let the one before do.
    pub(super) fn run_again(server: &Server, dir: &Path) -> Self {
        Self::again(&server.dir.join("kubeconfig-clade-clade"), dir, &["--retry-after", "1"])
    }

    fn again(kubeconfig: &Path, dir: &Path, more: &[&str]) -> Self {
        let arguments = ["run", "--kubernetes", "--data-dir", dir.to_str().unwrap()];
        Self::start(&dir.join("run.log"), &[&arguments[..], more].concat(), kubeconfig)
    }

    pub(super) fn start(log: &Path, arguments: &[&str], kubeconfig: &Path) -> Self {
        std::fs::create_dir_all(log.parent().unwrap()).unwrap();
        let file = File::options().create(true).append(true).open(log).unwrap();
        let child = clade(arguments)
            .env("KUBECONFIG", kubeconfig)
            .env("CLADE_LOG", "clade=info,warn")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it as a pod is ended.
    pub(super) fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        eventually("it stops when it is asked to", || self.has_ended());
    }

    /// Stops it at once, wherever it is.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Clade {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            // A second panic would end all tests.
            let said = std::fs::read_to_string(&self.log).unwrap_or_default();
            eprintln!("{} has:\n{said}", self.log.display());
        }
    }
}
