//! Pods played from what the API server admitted, with processes in namespaces: the chart's real output, the real agent
//! and a real SDK, and nothing but what the Pod object says between them.
//!
//! What is as in a cluster: networks (the pod's own, probes come to its address), mounts, users, groups, capabilities,
//! `no_new_privs`, read-only roots, the environment, the first process of a container, ConfigMaps that are swapped,
//! projected tokens, tmpfs volumes, probes, restarts and their back-off, the order of start and stop, termination
//! messages. What is not: images (this machine's `/usr` with the binary on top), limits of memory and processor, seccomp, the
//! scheduler, and the kubelet's minute between two looks at a ConfigMap, which is a call here. Fields that are not
//! played are refused.

mod container;
mod identity;
mod image;
mod kubelet;
mod life;
mod plane;
mod playing;
mod probes;
mod sandbox;
mod scene;
mod spec;
mod status;
mod volumes;
