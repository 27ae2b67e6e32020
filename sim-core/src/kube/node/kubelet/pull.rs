//! Fetching images, and what happens when one cannot be had.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::container::{State, format_time};
use super::{Kubelet, Step, reference};
use crate::kube::apps::image;
use crate::kube::node::agents::Hands;
use crate::kube::objects::container::ImagePullPolicy;
use crate::kube::store::EventType;

type Key = (String, String);

/// The first wait after a failure, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(300));
/// How long after a failure the kubelet looks at the pod again.
const NOTICE: Duration = Duration::from_secs(8);
/// What the runtime takes to make and start a container.
const CREATE_TIME: Duration = Duration::from_millis(150);

impl Kubelet {
    /// Fetches a container's image if it is not there, or may be old.
    pub(super) fn pull(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get(key) else { return };
        let Some(c) = run.containers.get(i) else { return };
        let full = c.reference.full();
        let there = self.images.contains(&full);
        let policy = c.spec.image_pull_policy.unwrap_or(if c.reference.tag == "latest" {
            ImagePullPolicy::Always
        } else {
            ImagePullPolicy::IfNotPresent
        });
        let about = reference(&run.spec, &format!("spec.containers{{{}}}", c.spec.name));
        let given = c.spec.image.clone();
        if let Some(why) = image::fault(&given) {
            let message = format!("Failed to apply default image tag {given:?}: {why}");
            self.fail(key, i, "InvalidImageName", &message, hands);
            return self.report(key, hands);
        }
        if policy == ImagePullPolicy::Never && !there {
            return self.never_pulled(key, i, hands);
        }
        if there && policy != ImagePullPolicy::Always {
            let message = format!("Container image \"{given}\" already present on machine");
            self.event(&about, EventType::Normal, "Pulled", &message, hands);
            self.later(key, Step::Pulled(i), Duration::from_millis(20) + CREATE_TIME, true, hands.now());
            return;
        }
        let time = pull_time(&full, there);
        self.event(&about, EventType::Normal, "Pulling", &format!("Pulling image \"{given}\""), hands);
        if !image::can_be_pulled(hands.config, &given) {
            self.later(key, Step::PullFailed(i), time, true, hands.now());
            return;
        }
        let secs = format_time(time);
        let size = c.image.size;
        let message = format!(
            "Successfully pulled image \"{given}\" in {secs} ({secs} including waiting). Image size: {size} bytes."
        );
        let at = hands.now() + time;
        hands.store.event(&about, EventType::Normal, "Pulled", "kubelet", &message, at);
        self.images.insert(full);
        self.later(key, Step::Pulled(i), time + CREATE_TIME, true, hands.now());
    }

    fn never_pulled(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let reason = "ErrImageNeverPull";
        let Some(run) = self.pods.get(key) else { return };
        let given = run.containers[i].spec.image.clone();
        let message = format!("Container image {given:?} is not present with pull policy of Never");
        self.fail(key, i, reason, &message, hands);
        self.report(key, hands);
    }

    /// Two events: what went wrong, and what the container waits for.
    fn fail(&mut self, key: &Key, i: usize, reason: &'static str, message: &str, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let c = &mut run.containers[i];
        c.state = State::Waiting { reason, message: message.to_owned() };
        let about = reference(&run.spec, &format!("spec.containers{{{}}}", c.spec.name));
        let first = match reason {
            "ErrImagePull" => "Failed",
            "InvalidImageName" => "InspectFailed",
            other => other,
        };
        self.event(&about, EventType::Warning, first, message, hands);
        self.event(&about, EventType::Warning, "Failed", &format!("Error: {reason}"), hands);
    }

    /// The registry does not have the image.
    pub(super) fn pull_failed(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let c = &mut run.containers[i];
        c.pull_failures += 1;
        let (given, full) = (c.spec.image.clone(), c.reference.full());
        let message = format!("Failed to pull image {given:?}: {}", not_found(&full));
        self.fail(key, i, "ErrImagePull", &message, hands);
        if let Some(run) = self.pods.get_mut(key) {
            // The status has the runtime's words alone.
            run.containers[i].state = State::Waiting { reason: "ErrImagePull", message: not_found(&full) };
        }
        self.report(key, hands);
        self.later(key, Step::PullBackOff(i), NOTICE, false, hands.now());
    }

    /// The kubelet waits before it asks again.
    pub(super) fn pull_back_off(&mut self, key: &Key, i: usize, hands: &mut Hands<'_>) {
        let Some(run) = self.pods.get_mut(key) else { return };
        let c = &mut run.containers[i];
        let (given, full) = (c.spec.image.clone(), c.reference.full());
        let text = format!("Back-off pulling image {given:?}");
        let message = format!("{text}: ErrImagePull: {}", not_found(&full));
        let doubled = c.pull_failures.saturating_sub(1).min(10);
        let wait = BACK_OFF.0.saturating_mul(1 << doubled).min(BACK_OFF.1);
        c.state = State::Waiting { reason: "ImagePullBackOff", message };
        let about = reference(&run.spec, &format!("spec.containers{{{}}}", c.spec.name));
        self.event(&about, EventType::Normal, "BackOff", &text, hands);
        self.event(&about, EventType::Warning, "Failed", "Error: ImagePullBackOff", hands);
        self.report(key, hands);
        self.later(key, Step::PullAgain(i), wait.saturating_sub(NOTICE), false, hands.now());
    }
}

/// The runtime's words for an image that the registry does not have.
fn not_found(full: &str) -> String {
    format!(
        "rpc error: code = NotFound desc = failed to pull and unpack image {full:?}: failed to resolve reference {full:?}: {full}: \
         not found"
    )
}

/// One to two seconds, always the same for an image; a look at the registry if the image is there.
fn pull_time(image: &str, there: bool) -> Duration {
    let hash = Sha256::digest(image);
    let millis = u64::from(u16::from_be_bytes([hash[0], hash[1]]) % 1000);
    Duration::from_millis(if there { 500 + millis / 4 } else { 1000 + millis })
}
