//! Kinds that make pods: apps/v1, batch/v1; and policy/v1.

use super::Shape::{
    Any, Bool, Count, Int32, Int64, IntOrString, Keyed, List, Map, Quantity, Str, Struct, Time,
};
use super::Type;
use super::meta::{CONDITION, LABEL_SELECTOR, OBJECT_META, OBJECT_REFERENCE};
use super::pod::POD_SPEC;
use super::volume::PERSISTENT_VOLUME_CLAIM_SPEC;

pub(crate) static POD_TEMPLATE_SPEC: Type = Type {
    go: "v1.PodTemplateSpec",
    fields: &[("metadata", Struct(&OBJECT_META)), ("spec", Struct(&POD_SPEC))],
};

pub(crate) static CONTROLLER_REVISION: Type = Type {
    go: "v1.ControllerRevision",
    fields: &[
        ("apiVersion", Str),
        ("data", Any),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("revision", Int64),
    ],
};

pub(crate) static CRON_JOB: Type = Type {
    go: "v1.CronJob",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&CRON_JOB_SPEC)),
        ("status", Struct(&CRON_JOB_STATUS)),
    ],
};

pub(crate) static CRON_JOB_SPEC: Type = Type {
    go: "v1.CronJobSpec",
    fields: &[
        ("concurrencyPolicy", Str),
        ("failedJobsHistoryLimit", Int32),
        ("jobTemplate", Struct(&JOB_TEMPLATE_SPEC)),
        ("schedule", Str),
        ("startingDeadlineSeconds", Int64),
        ("successfulJobsHistoryLimit", Int32),
        ("suspend", Bool),
        ("timeZone", Str),
    ],
};

pub(crate) static CRON_JOB_STATUS: Type = Type {
    go: "v1.CronJobStatus",
    fields: &[
        ("active", List(&Struct(&OBJECT_REFERENCE))),
        ("lastScheduleTime", Time),
        ("lastSuccessfulTime", Time),
    ],
};

pub(crate) static DAEMON_SET: Type = Type {
    go: "v1.DaemonSet",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&DAEMON_SET_SPEC)),
        ("status", Struct(&DAEMON_SET_STATUS)),
    ],
};

pub(crate) static DAEMON_SET_CONDITION: Type = Type {
    go: "v1.DaemonSetCondition",
    fields: &[
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static DAEMON_SET_SPEC: Type = Type {
    go: "v1.DaemonSetSpec",
    fields: &[
        ("minReadySeconds", Int32),
        ("revisionHistoryLimit", Int32),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("template", Struct(&POD_TEMPLATE_SPEC)),
        ("updateStrategy", Struct(&DAEMON_SET_UPDATE_STRATEGY)),
    ],
};

pub(crate) static DAEMON_SET_STATUS: Type = Type {
    go: "v1.DaemonSetStatus",
    fields: &[
        ("collisionCount", Int32),
        ("conditions", Keyed(&DAEMON_SET_CONDITION, "type")),
        ("currentNumberScheduled", Int32),
        ("desiredNumberScheduled", Int32),
        ("numberAvailable", Int32),
        ("numberMisscheduled", Int32),
        ("numberReady", Int32),
        ("numberUnavailable", Int32),
        ("observedGeneration", Int64),
        ("updatedNumberScheduled", Int32),
    ],
};

pub(crate) static DAEMON_SET_UPDATE_STRATEGY: Type = Type {
    go: "v1.DaemonSetUpdateStrategy",
    fields: &[("rollingUpdate", Struct(&ROLLING_UPDATE_DAEMON_SET)), ("type", Str)],
};

pub(crate) static DEPLOYMENT: Type = Type {
    go: "v1.Deployment",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&DEPLOYMENT_SPEC)),
        ("status", Struct(&DEPLOYMENT_STATUS)),
    ],
};

pub(crate) static DEPLOYMENT_CONDITION: Type = Type {
    go: "v1.DeploymentCondition",
    fields: &[
        ("lastTransitionTime", Time),
        ("lastUpdateTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static DEPLOYMENT_SPEC: Type = Type {
    go: "v1.DeploymentSpec",
    fields: &[
        ("minReadySeconds", Int32),
        ("paused", Bool),
        ("progressDeadlineSeconds", Int32),
        ("replicas", Int32),
        ("revisionHistoryLimit", Int32),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("strategy", Struct(&DEPLOYMENT_STRATEGY)),
        ("template", Struct(&POD_TEMPLATE_SPEC)),
    ],
};

pub(crate) static DEPLOYMENT_STATUS: Type = Type {
    go: "v1.DeploymentStatus",
    fields: &[
        ("availableReplicas", Int32),
        ("collisionCount", Int32),
        ("conditions", Keyed(&DEPLOYMENT_CONDITION, "type")),
        ("observedGeneration", Int64),
        ("readyReplicas", Int32),
        ("replicas", Int32),
        ("terminatingReplicas", Int32),
        ("unavailableReplicas", Int32),
        ("updatedReplicas", Int32),
    ],
};

pub(crate) static DEPLOYMENT_STRATEGY: Type = Type {
    go: "v1.DeploymentStrategy",
    fields: &[("rollingUpdate", Struct(&ROLLING_UPDATE_DEPLOYMENT)), ("type", Str)],
};

pub(crate) static JOB: Type = Type {
    go: "v1.Job",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&JOB_SPEC)),
        ("status", Struct(&JOB_STATUS)),
    ],
};

pub(crate) static JOB_CONDITION: Type = Type {
    go: "v1.JobCondition",
    fields: &[
        ("lastProbeTime", Time),
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static JOB_SPEC: Type = Type {
    go: "v1.JobSpec",
    fields: &[
        ("activeDeadlineSeconds", Int64),
        ("backoffLimit", Int32),
        ("backoffLimitPerIndex", Int32),
        ("completionMode", Str),
        ("completions", Int32),
        ("managedBy", Str),
        ("manualSelector", Bool),
        ("maxFailedIndexes", Int32),
        ("parallelism", Int32),
        ("podFailurePolicy", Struct(&POD_FAILURE_POLICY)),
        ("podReplacementPolicy", Str),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("successPolicy", Struct(&SUCCESS_POLICY)),
        ("suspend", Bool),
        ("template", Struct(&POD_TEMPLATE_SPEC)),
        ("ttlSecondsAfterFinished", Int32),
    ],
};

pub(crate) static JOB_STATUS: Type = Type {
    go: "v1.JobStatus",
    fields: &[
        ("active", Int32),
        ("completedIndexes", Str),
        ("completionTime", Time),
        ("conditions", Keyed(&JOB_CONDITION, "type")),
        ("failed", Int32),
        ("failedIndexes", Str),
        ("ready", Int32),
        ("startTime", Time),
        ("succeeded", Int32),
        ("terminating", Int32),
        ("uncountedTerminatedPods", Struct(&UNCOUNTED_TERMINATED_PODS)),
    ],
};

pub(crate) static JOB_TEMPLATE_SPEC: Type = Type {
    go: "v1.JobTemplateSpec",
    fields: &[("metadata", Struct(&OBJECT_META)), ("spec", Struct(&JOB_SPEC))],
};

pub(crate) static PERSISTENT_VOLUME_CLAIM: Type = Type {
    go: "v1.PersistentVolumeClaim",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&PERSISTENT_VOLUME_CLAIM_SPEC)),
        ("status", Struct(&PERSISTENT_VOLUME_CLAIM_STATUS)),
    ],
};

pub(crate) static PERSISTENT_VOLUME_CLAIM_STATUS: Type = Type {
    go: "v1.PersistentVolumeClaimStatus",
    fields: &[
        ("accessModes", List(&Str)),
        ("allocatedResourceStatuses", Map(&Str)),
        ("allocatedResources", Map(&Quantity)),
        ("capacity", Map(&Quantity)),
        ("conditions", Any),
        ("currentVolumeAttributesClassName", Str),
        ("modifyVolumeStatus", Any),
        ("phase", Str),
    ],
};

pub(crate) static POD_DISRUPTION_BUDGET: Type = Type {
    go: "v1.PodDisruptionBudget",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&POD_DISRUPTION_BUDGET_SPEC)),
        ("status", Struct(&POD_DISRUPTION_BUDGET_STATUS)),
    ],
};

pub(crate) static POD_DISRUPTION_BUDGET_SPEC: Type = Type {
    go: "v1.PodDisruptionBudgetSpec",
    fields: &[
        ("maxUnavailable", IntOrString),
        ("minAvailable", IntOrString),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("unhealthyPodEvictionPolicy", Str),
    ],
};

pub(crate) static POD_DISRUPTION_BUDGET_STATUS: Type = Type {
    go: "v1.PodDisruptionBudgetStatus",
    fields: &[
        ("conditions", Keyed(&CONDITION, "type")),
        ("currentHealthy", Int32),
        ("desiredHealthy", Int32),
        ("disruptedPods", Map(&Time)),
        ("disruptionsAllowed", Int32),
        ("expectedPods", Int32),
        ("observedGeneration", Int64),
    ],
};

pub(crate) static POD_FAILURE_POLICY: Type =
    Type { go: "v1.PodFailurePolicy", fields: &[("rules", List(&Struct(&POD_FAILURE_POLICY_RULE)))] };

pub(crate) static POD_FAILURE_POLICY_ON_EXIT_CODES_REQUIREMENT: Type = Type {
    go: "v1.PodFailurePolicyOnExitCodesRequirement",
    fields: &[("containerName", Str), ("operator", Str), ("values", List(&Int32))],
};

pub(crate) static POD_FAILURE_POLICY_ON_POD_CONDITIONS_PATTERN: Type =
    Type { go: "v1.PodFailurePolicyOnPodConditionsPattern", fields: &[("status", Str), ("type", Str)] };

pub(crate) static POD_FAILURE_POLICY_RULE: Type = Type {
    go: "v1.PodFailurePolicyRule",
    fields: &[
        ("action", Str),
        ("onExitCodes", Struct(&POD_FAILURE_POLICY_ON_EXIT_CODES_REQUIREMENT)),
        ("onPodConditions", List(&Struct(&POD_FAILURE_POLICY_ON_POD_CONDITIONS_PATTERN))),
    ],
};

pub(crate) static REPLICA_SET: Type = Type {
    go: "v1.ReplicaSet",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&REPLICA_SET_SPEC)),
        ("status", Struct(&REPLICA_SET_STATUS)),
    ],
};

pub(crate) static REPLICA_SET_CONDITION: Type = Type {
    go: "v1.ReplicaSetCondition",
    fields: &[
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static REPLICA_SET_SPEC: Type = Type {
    go: "v1.ReplicaSetSpec",
    fields: &[
        ("minReadySeconds", Int32),
        ("replicas", Int32),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("template", Struct(&POD_TEMPLATE_SPEC)),
    ],
};

pub(crate) static REPLICA_SET_STATUS: Type = Type {
    go: "v1.ReplicaSetStatus",
    fields: &[
        ("availableReplicas", Int32),
        ("conditions", Keyed(&REPLICA_SET_CONDITION, "type")),
        ("fullyLabeledReplicas", Int32),
        ("observedGeneration", Int64),
        ("readyReplicas", Int32),
        ("replicas", Int32),
        ("terminatingReplicas", Int32),
    ],
};

pub(crate) static ROLLING_UPDATE_DAEMON_SET: Type = Type {
    go: "v1.RollingUpdateDaemonSet",
    fields: &[("maxSurge", IntOrString), ("maxUnavailable", IntOrString)],
};

pub(crate) static ROLLING_UPDATE_DEPLOYMENT: Type = Type {
    go: "v1.RollingUpdateDeployment",
    fields: &[("maxSurge", IntOrString), ("maxUnavailable", IntOrString)],
};

pub(crate) static ROLLING_UPDATE_STATEFUL_SET_STRATEGY: Type = Type {
    go: "v1.RollingUpdateStatefulSetStrategy",
    fields: &[("maxUnavailable", IntOrString), ("partition", Int32)],
};

pub(crate) static STATEFUL_SET: Type = Type {
    go: "v1.StatefulSet",
    fields: &[
        ("apiVersion", Str),
        ("kind", Str),
        ("metadata", Struct(&OBJECT_META)),
        ("spec", Struct(&STATEFUL_SET_SPEC)),
        ("status", Struct(&STATEFUL_SET_STATUS)),
    ],
};

pub(crate) static STATEFUL_SET_CONDITION: Type = Type {
    go: "v1.StatefulSetCondition",
    fields: &[
        ("lastTransitionTime", Time),
        ("message", Str),
        ("reason", Str),
        ("status", Str),
        ("type", Str),
    ],
};

pub(crate) static STATEFUL_SET_ORDINALS: Type =
    Type { go: "v1.StatefulSetOrdinals", fields: &[("start", Int32)] };

pub(crate) static STATEFUL_SET_PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY: Type = Type {
    go: "v1.StatefulSetPersistentVolumeClaimRetentionPolicy",
    fields: &[("whenDeleted", Str), ("whenScaled", Str)],
};

pub(crate) static STATEFUL_SET_SPEC: Type = Type {
    go: "v1.StatefulSetSpec",
    fields: &[
        ("minReadySeconds", Int32),
        ("ordinals", Struct(&STATEFUL_SET_ORDINALS)),
        (
            "persistentVolumeClaimRetentionPolicy",
            Struct(&STATEFUL_SET_PERSISTENT_VOLUME_CLAIM_RETENTION_POLICY),
        ),
        ("podManagementPolicy", Str),
        ("replicas", Int32),
        ("revisionHistoryLimit", Int32),
        ("selector", Struct(&LABEL_SELECTOR)),
        ("serviceName", Str),
        ("template", Struct(&POD_TEMPLATE_SPEC)),
        ("updateStrategy", Struct(&STATEFUL_SET_UPDATE_STRATEGY)),
        ("volumeClaimTemplates", List(&Struct(&PERSISTENT_VOLUME_CLAIM))),
    ],
};

pub(crate) static STATEFUL_SET_STATUS: Type = Type {
    go: "v1.StatefulSetStatus",
    fields: &[
        ("availableReplicas", Int32),
        ("collisionCount", Int32),
        ("conditions", Keyed(&STATEFUL_SET_CONDITION, "type")),
        ("currentReplicas", Int32),
        ("currentRevision", Str),
        ("observedGeneration", Int64),
        ("readyReplicas", Int32),
        ("replicas", Int32),
        ("updateRevision", Str),
        ("updatedReplicas", Int32),
    ],
};

pub(crate) static STATEFUL_SET_UPDATE_STRATEGY: Type = Type {
    go: "v1.StatefulSetUpdateStrategy",
    fields: &[("rollingUpdate", Struct(&ROLLING_UPDATE_STATEFUL_SET_STRATEGY)), ("type", Str)],
};

pub(crate) static SUCCESS_POLICY: Type =
    Type { go: "v1.SuccessPolicy", fields: &[("rules", List(&Struct(&SUCCESS_POLICY_RULE)))] };

pub(crate) static SUCCESS_POLICY_RULE: Type =
    Type { go: "v1.SuccessPolicyRule", fields: &[("succeededCount", Count), ("succeededIndexes", Str)] };

pub(crate) static UNCOUNTED_TERMINATED_PODS: Type =
    Type { go: "v1.UncountedTerminatedPods", fields: &[("failed", List(&Str)), ("succeeded", List(&Str))] };
