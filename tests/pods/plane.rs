//! What a kubelet asks the API server for.

use std::collections::BTreeMap;

use super::spec::{Pod, TokenAsk};

/// An API server, or what stands for one.
pub trait Plane: Send + Sync {
    /// The files of a ConfigMap, as it is now.
    fn config_map(&self, namespace: &str, name: &str) -> BTreeMap<String, String>;

    /// A token of the pod's service account, bound to the pod.
    fn token(&self, pod: &Pod, ask: &TokenAsk) -> String;
}
