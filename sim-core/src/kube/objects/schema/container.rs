//! Containers: what is asked for and what became of it.

use super::Shape::{
    Bool, Count, Enum, Int32, Int64, IntOrString, Keyed, List, Map, OptionalPort, Port, Quantity, Str,
    Struct, Time,
};
use super::Type;
use super::values::{PROTOCOL, PULL_POLICY, TERMINATION_MESSAGE_POLICY, URI_SCHEME};

pub(crate) static APP_ARMOR_PROFILE: Type =
    Type { go: "v1.AppArmorProfile", fields: &[("localhostProfile", Str), ("type", Str)] };

pub(crate) static CAPABILITIES: Type =
    Type { go: "v1.Capabilities", fields: &[("add", List(&Str)), ("drop", List(&Str))] };

pub(crate) static CONFIG_MAP_ENV_SOURCE: Type =
    Type { go: "v1.ConfigMapEnvSource", fields: &[("name", Str), ("optional", Bool)] };

pub(crate) static CONFIG_MAP_KEY_SELECTOR: Type =
    Type { go: "v1.ConfigMapKeySelector", fields: &[("key", Str), ("name", Str), ("optional", Bool)] };

pub(crate) static CONTAINER: Type = Type {
    go: "v1.Container",
    fields: &[
        ("args", List(&Str)),
        ("command", List(&Str)),
        ("env", Keyed(&ENV_VAR, "name")),
        ("envFrom", List(&Struct(&ENV_FROM_SOURCE))),
        ("image", Str),
        ("imagePullPolicy", Enum(&PULL_POLICY)),
        ("lifecycle", Struct(&LIFECYCLE)),
        ("livenessProbe", Struct(&PROBE)),
        ("name", Str),
        ("ports", Keyed(&CONTAINER_PORT, "containerPort")),
        ("readinessProbe", Struct(&PROBE)),
        ("resizePolicy", List(&Struct(&CONTAINER_RESIZE_POLICY))),
        ("resources", Struct(&RESOURCE_REQUIREMENTS)),
        ("restartPolicy", Str),
        ("restartPolicyRules", List(&Struct(&CONTAINER_RESTART_RULE))),
        ("securityContext", Struct(&SECURITY_CONTEXT)),
        ("startupProbe", Struct(&PROBE)),
        ("stdin", Bool),
        ("stdinOnce", Bool),
        ("terminationMessagePath", Str),
        ("terminationMessagePolicy", Enum(&TERMINATION_MESSAGE_POLICY)),
        ("tty", Bool),
        ("volumeDevices", Keyed(&VOLUME_DEVICE, "devicePath")),
        ("volumeMounts", Keyed(&VOLUME_MOUNT, "mountPath")),
        ("workingDir", Str),
    ],
};

pub(crate) static CONTAINER_EXTENDED_RESOURCE_REQUEST: Type = Type {
    go: "v1.ContainerExtendedResourceRequest",
    fields: &[("containerName", Str), ("requestName", Str), ("resourceName", Str)],
};

pub(crate) static CONTAINER_PORT: Type = Type {
    go: "v1.ContainerPort",
    fields: &[
        ("containerPort", Port),
        ("hostIP", Str),
        ("hostPort", OptionalPort),
        ("name", Str),
        ("protocol", Enum(&PROTOCOL)),
    ],
};

pub(crate) static CONTAINER_RESIZE_POLICY: Type =
    Type { go: "v1.ContainerResizePolicy", fields: &[("resourceName", Str), ("restartPolicy", Str)] };

pub(crate) static CONTAINER_RESTART_RULE: Type = Type {
    go: "v1.ContainerRestartRule",
    fields: &[("action", Str), ("exitCodes", Struct(&CONTAINER_RESTART_RULE_ON_EXIT_CODES))],
};

pub(crate) static CONTAINER_RESTART_RULE_ON_EXIT_CODES: Type =
    Type { go: "v1.ContainerRestartRuleOnExitCodes", fields: &[("operator", Str), ("values", List(&Int32))] };

pub(crate) static CONTAINER_STATE: Type = Type {
    go: "v1.ContainerState",
    fields: &[
        ("running", Struct(&CONTAINER_STATE_RUNNING)),
        ("terminated", Struct(&CONTAINER_STATE_TERMINATED)),
        ("waiting", Struct(&CONTAINER_STATE_WAITING)),
    ],
};

pub(crate) static CONTAINER_STATE_RUNNING: Type =
    Type { go: "v1.ContainerStateRunning", fields: &[("startedAt", Time)] };

pub(crate) static CONTAINER_STATE_TERMINATED: Type = Type {
    go: "v1.ContainerStateTerminated",
    fields: &[
        ("containerID", Str),
        ("exitCode", Int32),
        ("finishedAt", Time),
        ("message", Str),
        ("reason", Str),
        ("signal", Int32),
        ("startedAt", Time),
    ],
};

pub(crate) static CONTAINER_STATE_WAITING: Type =
    Type { go: "v1.ContainerStateWaiting", fields: &[("message", Str), ("reason", Str)] };

pub(crate) static CONTAINER_STATUS: Type = Type {
    go: "v1.ContainerStatus",
    fields: &[
        ("allocatedResources", Map(&Quantity)),
        ("allocatedResourcesStatus", List(&Struct(&RESOURCE_STATUS))),
        ("containerID", Str),
        ("image", Str),
        ("imageID", Str),
        ("lastState", Struct(&CONTAINER_STATE)),
        ("name", Str),
        ("ready", Bool),
        ("resources", Struct(&RESOURCE_REQUIREMENTS)),
        ("restartCount", Count),
        ("started", Bool),
        ("state", Struct(&CONTAINER_STATE)),
        ("stopSignal", Str),
        ("user", Struct(&CONTAINER_USER)),
        ("volumeMounts", List(&Struct(&VOLUME_MOUNT_STATUS))),
    ],
};

pub(crate) static CONTAINER_USER: Type =
    Type { go: "v1.ContainerUser", fields: &[("linux", Struct(&LINUX_CONTAINER_USER))] };

pub(crate) static ENV_FROM_SOURCE: Type = Type {
    go: "v1.EnvFromSource",
    fields: &[
        ("configMapRef", Struct(&CONFIG_MAP_ENV_SOURCE)),
        ("prefix", Str),
        ("secretRef", Struct(&SECRET_ENV_SOURCE)),
    ],
};

pub(crate) static ENV_VAR: Type = Type {
    go: "v1.EnvVar",
    fields: &[("name", Str), ("value", Str), ("valueFrom", Struct(&ENV_VAR_SOURCE))],
};

pub(crate) static ENV_VAR_SOURCE: Type = Type {
    go: "v1.EnvVarSource",
    fields: &[
        ("configMapKeyRef", Struct(&CONFIG_MAP_KEY_SELECTOR)),
        ("fieldRef", Struct(&OBJECT_FIELD_SELECTOR)),
        ("fileKeyRef", Struct(&FILE_KEY_SELECTOR)),
        ("resourceFieldRef", Struct(&RESOURCE_FIELD_SELECTOR)),
        ("secretKeyRef", Struct(&SECRET_KEY_SELECTOR)),
    ],
};

pub(crate) static EPHEMERAL_CONTAINER: Type = Type {
    go: "v1.EphemeralContainer",
    fields: &[
        ("args", List(&Str)),
        ("command", List(&Str)),
        ("env", Keyed(&ENV_VAR, "name")),
        ("envFrom", List(&Struct(&ENV_FROM_SOURCE))),
        ("image", Str),
        ("imagePullPolicy", Enum(&PULL_POLICY)),
        ("lifecycle", Struct(&LIFECYCLE)),
        ("livenessProbe", Struct(&PROBE)),
        ("name", Str),
        ("ports", Keyed(&CONTAINER_PORT, "containerPort")),
        ("readinessProbe", Struct(&PROBE)),
        ("resizePolicy", List(&Struct(&CONTAINER_RESIZE_POLICY))),
        ("resources", Struct(&RESOURCE_REQUIREMENTS)),
        ("restartPolicy", Str),
        ("restartPolicyRules", List(&Struct(&CONTAINER_RESTART_RULE))),
        ("securityContext", Struct(&SECURITY_CONTEXT)),
        ("startupProbe", Struct(&PROBE)),
        ("stdin", Bool),
        ("stdinOnce", Bool),
        ("targetContainerName", Str),
        ("terminationMessagePath", Str),
        ("terminationMessagePolicy", Enum(&TERMINATION_MESSAGE_POLICY)),
        ("tty", Bool),
        ("volumeDevices", Keyed(&VOLUME_DEVICE, "devicePath")),
        ("volumeMounts", Keyed(&VOLUME_MOUNT, "mountPath")),
        ("workingDir", Str),
    ],
};

pub(crate) static EXEC_ACTION: Type = Type { go: "v1.ExecAction", fields: &[("command", List(&Str))] };

pub(crate) static FILE_KEY_SELECTOR: Type = Type {
    go: "v1.FileKeySelector",
    fields: &[("key", Str), ("optional", Bool), ("path", Str), ("volumeName", Str)],
};

pub(crate) static GRPC_ACTION: Type =
    Type { go: "v1.GRPCAction", fields: &[("port", Int32), ("service", Str)] };

pub(crate) static HTTP_GET_ACTION: Type = Type {
    go: "v1.HTTPGetAction",
    fields: &[
        ("host", Str),
        ("httpHeaders", List(&Struct(&HTTP_HEADER))),
        ("path", Str),
        ("port", IntOrString),
        ("scheme", Enum(&URI_SCHEME)),
    ],
};

pub(crate) static HTTP_HEADER: Type = Type { go: "v1.HTTPHeader", fields: &[("name", Str), ("value", Str)] };

pub(crate) static LIFECYCLE: Type = Type {
    go: "v1.Lifecycle",
    fields: &[
        ("postStart", Struct(&LIFECYCLE_HANDLER)),
        ("preStop", Struct(&LIFECYCLE_HANDLER)),
        ("stopSignal", Str),
    ],
};

pub(crate) static LIFECYCLE_HANDLER: Type = Type {
    go: "v1.LifecycleHandler",
    fields: &[
        ("exec", Struct(&EXEC_ACTION)),
        ("httpGet", Struct(&HTTP_GET_ACTION)),
        ("sleep", Struct(&SLEEP_ACTION)),
        ("tcpSocket", Struct(&TCP_SOCKET_ACTION)),
    ],
};

pub(crate) static LINUX_CONTAINER_USER: Type = Type {
    go: "v1.LinuxContainerUser",
    fields: &[("gid", Int64), ("supplementalGroups", List(&Int64)), ("uid", Int64)],
};

pub(crate) static OBJECT_FIELD_SELECTOR: Type =
    Type { go: "v1.ObjectFieldSelector", fields: &[("apiVersion", Str), ("fieldPath", Str)] };

pub(crate) static PROBE: Type = Type {
    go: "v1.Probe",
    fields: &[
        ("exec", Struct(&EXEC_ACTION)),
        ("failureThreshold", Count),
        ("grpc", Struct(&GRPC_ACTION)),
        ("httpGet", Struct(&HTTP_GET_ACTION)),
        ("initialDelaySeconds", Count),
        ("periodSeconds", Count),
        ("successThreshold", Count),
        ("tcpSocket", Struct(&TCP_SOCKET_ACTION)),
        ("terminationGracePeriodSeconds", Int64),
        ("timeoutSeconds", Count),
    ],
};

pub(crate) static RESOURCE_CLAIM: Type =
    Type { go: "v1.ResourceClaim", fields: &[("name", Str), ("request", Str)] };

pub(crate) static RESOURCE_FIELD_SELECTOR: Type = Type {
    go: "v1.ResourceFieldSelector",
    fields: &[("containerName", Str), ("divisor", Quantity), ("resource", Str)],
};

pub(crate) static RESOURCE_HEALTH: Type =
    Type { go: "v1.ResourceHealth", fields: &[("health", Str), ("resourceID", Str)] };

pub(crate) static RESOURCE_REQUIREMENTS: Type = Type {
    go: "v1.ResourceRequirements",
    fields: &[
        ("claims", List(&Struct(&RESOURCE_CLAIM))),
        ("limits", Map(&Quantity)),
        ("requests", Map(&Quantity)),
    ],
};

pub(crate) static RESOURCE_STATUS: Type = Type {
    go: "v1.ResourceStatus",
    fields: &[("name", Str), ("resources", List(&Struct(&RESOURCE_HEALTH)))],
};

pub(crate) static SE_LINUX_OPTIONS: Type =
    Type { go: "v1.SELinuxOptions", fields: &[("level", Str), ("role", Str), ("type", Str), ("user", Str)] };

pub(crate) static SECCOMP_PROFILE: Type =
    Type { go: "v1.SeccompProfile", fields: &[("localhostProfile", Str), ("type", Str)] };

pub(crate) static SECRET_ENV_SOURCE: Type =
    Type { go: "v1.SecretEnvSource", fields: &[("name", Str), ("optional", Bool)] };

pub(crate) static SECRET_KEY_SELECTOR: Type =
    Type { go: "v1.SecretKeySelector", fields: &[("key", Str), ("name", Str), ("optional", Bool)] };

pub(crate) static SECURITY_CONTEXT: Type = Type {
    go: "v1.SecurityContext",
    fields: &[
        ("allowPrivilegeEscalation", Bool),
        ("appArmorProfile", Struct(&APP_ARMOR_PROFILE)),
        ("capabilities", Struct(&CAPABILITIES)),
        ("privileged", Bool),
        ("procMount", Str),
        ("readOnlyRootFilesystem", Bool),
        ("runAsGroup", Int64),
        ("runAsNonRoot", Bool),
        ("runAsUser", Int64),
        ("seLinuxOptions", Struct(&SE_LINUX_OPTIONS)),
        ("seccompProfile", Struct(&SECCOMP_PROFILE)),
        ("windowsOptions", Struct(&WINDOWS_SECURITY_CONTEXT_OPTIONS)),
    ],
};

pub(crate) static SLEEP_ACTION: Type = Type { go: "v1.SleepAction", fields: &[("seconds", Int64)] };

pub(crate) static TCP_SOCKET_ACTION: Type =
    Type { go: "v1.TCPSocketAction", fields: &[("host", Str), ("port", IntOrString)] };

pub(crate) static VOLUME_DEVICE: Type =
    Type { go: "v1.VolumeDevice", fields: &[("devicePath", Str), ("name", Str)] };

pub(crate) static VOLUME_MOUNT: Type = Type {
    go: "v1.VolumeMount",
    fields: &[
        ("mountPath", Str),
        ("mountPropagation", Str),
        ("name", Str),
        ("readOnly", Bool),
        ("recursiveReadOnly", Str),
        ("subPath", Str),
        ("subPathExpr", Str),
    ],
};

pub(crate) static VOLUME_MOUNT_STATUS: Type = Type {
    go: "v1.VolumeMountStatus",
    fields: &[("mountPath", Str), ("name", Str), ("readOnly", Bool), ("recursiveReadOnly", Str)],
};

pub(crate) static WINDOWS_SECURITY_CONTEXT_OPTIONS: Type = Type {
    go: "v1.WindowsSecurityContextOptions",
    fields: &[
        ("gmsaCredentialSpec", Str),
        ("gmsaCredentialSpecName", Str),
        ("hostProcess", Bool),
        ("runAsUserName", Str),
    ],
};
