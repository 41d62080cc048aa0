//! The pod's volumes as folders: empty ones, and those that a kubelet fills, and fills anew, from the API server.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::plane::Plane;
use super::sandbox::Sandbox;
use super::spec::{ConfigMap, EmptyDir, Pod, Volume};
use crate::support::home::{self, Furnish};

/// All volumes of a pod.
pub struct Volumes {
    folder: PathBuf,
    filled: BTreeMap<String, home::Volume>,
}

impl Volumes {
    pub fn make(sandbox: &Sandbox, pod: &Pod, plane: &dyn Plane) -> Volumes {
        let mut volumes = Volumes { folder: sandbox.folder().join("volumes"), filled: BTreeMap::new() };
        for volume in &pod.spec.volumes {
            let folder = volumes.folder(&volume.name);
            fs::create_dir_all(&folder).unwrap();
            match &volume.empty_dir {
                Some(empty) => empty_dir(sandbox, pod, empty, &folder),
                None => {
                    assert!(
                        volume.config_map.is_some() || volume.projected.is_some(),
                        "not played: {volume:?}"
                    );
                    let files = home::Volume::furnished(folder, furnish(pod, volume));
                    volumes.filled.insert(volume.name.clone(), files);
                }
            }
        }
        volumes.sync(pod, plane);
        volumes.renew(pod, plane);
        volumes
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// ConfigMaps as the API server has them now: a kubelet looks about once a minute.
    pub fn sync(&mut self, pod: &Pod, plane: &dyn Plane) {
        for volume in &pod.spec.volumes {
            if let Some(ConfigMap { name, .. }) = &volume.config_map {
                self.fill(&volume.name, &plane.config_map(&pod.namespace, name));
            }
        }
    }

    /// Tokens as they are made anew: a kubelet does that when four fifths of their life are over.
    pub fn renew(&mut self, pod: &Pod, plane: &dyn Plane) {
        for volume in &pod.spec.volumes {
            let Some(projected) = &volume.projected else { continue };
            let asked = projected.sources.iter().map(|source| &source.service_account_token);
            self.fill(&volume.name, &asked.map(|ask| (ask.path.clone(), plane.token(pod, ask))).collect());
        }
    }

    fn fill(&mut self, name: &str, files: &BTreeMap<String, String>) {
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        self.filled.get_mut(name).unwrap().swap(&files);
    }
}

/// Anybody's to write; with an fsGroup, that group's, and so is what is made in it.
fn empty_dir(sandbox: &Sandbox, pod: &Pod, empty: &EmptyDir, folder: &Path) {
    let (mode, gid) = match pod.spec.fs_group() {
        Some(gid) => (0o2777, gid),
        None => (0o777, 0),
    };
    match empty.medium.as_str() {
        "Memory" => {
            // Kubernetes writes 1Mi where mount writes 1m.
            let size = empty.size_limit.as_deref().unwrap_or("16Mi").trim_end_matches('i').to_lowercase();
            sandbox.memory(folder, &format!("size={size},mode={mode:o},gid={gid}"));
        }
        "" => {
            chown(folder, None, Some(gid)).unwrap();
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
        other => panic!("the medium {other} is not played"),
    }
}

/// Mode and owner of files, by the kubelet's rules. A token is nobody else's where there is a group or an only user.
fn furnish(pod: &Pod, volume: &Volume) -> Furnish {
    let group = pod.spec.fs_group();
    let (mut mode, mut user) = (0o644, None);
    if let Some(config_map) = &volume.config_map {
        mode = config_map.default_mode;
    }
    if let Some(projected) = &volume.projected {
        user = pod.spec.only_user();
        mode = if user.or(group).is_some() { 0o600 } else { projected.default_mode };
    }
    if group.is_some() {
        mode |= 0o440;
    }
    Furnish { mode, user, group }
}
