//! Causes in what a profile says.

use super::Cause;

/// This family, in the order of the runbook.
pub(super) static LIST: &[&Cause] = &[
    &PROFILE_UNKNOWN,
    &PROFILE_PREFIX,
    &PROFILE_PREFIX2,
    &PROFILE_DEFAULT,
    &PROFILE_NOSOURCE,
    &PROFILE_BOTHSOURCES,
    &PROFILE_BADSOURCE,
    &PROFILE_LOOP,
    &PROFILE_SOURCEMISSING,
    &PROFILE_NOCREDS,
    &PROFILE_MFA,
    &PROFILE_VALUE,
];

/// The profile does not exist.
pub static PROFILE_UNKNOWN: Cause = Cause {
    code: "PROFILE-UNKNOWN",
    title: "the profile does not exist",
    why: "botocore asks no source at all when the profile it was told to use is in neither file",
    fix: &[
        "correct the name, or add the profile: `[profile NAME]` in the config file, `[NAME]` in the credentials file",
    ],
    rule: "botocore `Session.get_scoped_config`; aws-cli#5402",
};

/// A section of the config file lacks the word profile.
pub static PROFILE_PREFIX: Cause = Cause {
    code: "PROFILE-PREFIX",
    title: "a section of the config file lacks the word profile",
    why: "in the config file `[NAME]` is no profile; it must be `[profile NAME]`",
    fix: &["write `[profile NAME]` in the config file"],
    rule: "botocore `configloader.build_profile_map`; aws-cli#370",
};

/// A section of the credentials file has the word profile.
pub static PROFILE_PREFIX2: Cause = Cause {
    code: "PROFILE-PREFIX2",
    title: "a section of the credentials file has the word profile",
    why: "in the credentials file the whole text between the brackets is the name; `profile ` belongs into the config file",
    fix: &["write `[NAME]` in the credentials file"],
    rule: "botocore `Session.full_config`; aws-sdk-go-v2#2787",
};

/// The section of the default profile is written in a way that is not read.
pub static PROFILE_DEFAULT: Cause = Cause {
    code: "PROFILE-DEFAULT",
    title: "the section of the default profile is written in a way that is not read",
    why: "it is `[default]`, in small letters, in both files; `[DEFAULT]` is no profile, and of two sections the later one counts",
    fix: &["write `[default]`, once"],
    rule: "botocore `configloader.build_profile_map`",
};

/// Role_arn without source_profile or credential_source.
pub static PROFILE_NOSOURCE: Cause = Cause {
    code: "PROFILE-NOSOURCE",
    title: "role_arn without source_profile or credential_source",
    why: "a role is assumed with other credentials, and the profile does not say which",
    fix: &[
        "add source_profile = NAME, or credential_source = Environment, Ec2InstanceMetadata or EcsContainer",
    ],
    rule: "botocore `AssumeRoleProvider._get_role_config`; aws-cli#6046",
};

/// Source_profile and credential_source in one profile.
pub static PROFILE_BOTHSOURCES: Cause = Cause {
    code: "PROFILE-BOTHSOURCES",
    title: "source_profile and credential_source in one profile",
    why: "they contradict each other",
    fix: &["keep one of the two"],
    rule: "botocore `AssumeRoleProvider._get_role_config`",
};

/// Credential_source is none of the three known words.
pub static PROFILE_BADSOURCE: Cause = Cause {
    code: "PROFILE-BADSOURCE",
    title: "credential_source is none of the three known words",
    why: "it is compared letter by letter with Environment, Ec2InstanceMetadata and EcsContainer",
    fix: &["use one of the three, with these capitals"],
    rule: "botocore `AssumeRoleProvider._validate_credential_source`",
};

/// Source_profile leads back to a profile already visited.
pub static PROFILE_LOOP: Cause = Cause {
    code: "PROFILE-LOOP",
    title: "source_profile leads back to a profile already visited",
    why: "each profile waits for the other one's credentials",
    fix: &["let one profile of the circle have credentials of its own"],
    rule: "botocore `AssumeRoleProvider._validate_source_profile`; botocore#1780",
};

/// Source_profile names a profile that does not exist.
pub static PROFILE_SOURCEMISSING: Cause = Cause {
    code: "PROFILE-SOURCEMISSING",
    title: "source_profile names a profile that does not exist",
    why: "the role cannot be assumed without it",
    fix: &["correct the name, or add the profile"],
    rule: "botocore `AssumeRoleProvider._validate_source_profile`",
};

/// The profile has nothing that yields credentials.
pub static PROFILE_NOCREDS: Cause = Cause {
    code: "PROFILE-NOCREDS",
    title: "the profile has nothing that yields credentials",
    why: "a profile gives credentials by keys, credential_process, sso_session, login_session, or a role with its source; a role's source profile by its own",
    fix: &["add one of these to the profile, or choose another: AWS_PROFILE, for a role source_profile"],
    rule: "botocore `AssumeRoleProvider._resolve_static_credentials_from_profile`; awsume#127",
};

/// The profile asks for an MFA code.
pub static PROFILE_MFA: Cause = Cause {
    code: "PROFILE-MFA",
    title: "the profile asks for an MFA code",
    why: "there is nobody to type it in a service",
    fix: &[
        "use SSO, or a role that needs no MFA, or get a session first",
        "at a terminal, `keyfob get` and `keyfob exec` ask for the code",
    ],
    rule: "botocore `AssumeRoleProvider._load_creds_via_assume_role`; aws-sdk-java-v2#995",
};

/// A value in a profile cannot be used.
pub static PROFILE_VALUE: Cause = Cause {
    code: "PROFILE-VALUE",
    title: "a value in a profile cannot be used",
    why: "the value has the wrong shape",
    fix: &["correct the value named above"],
    rule: "botocore `configprovider`, `configloader`",
};
