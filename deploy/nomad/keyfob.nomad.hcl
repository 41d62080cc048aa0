# A group whose tasks get credentials from a keyfob beside them: nomad job run deploy/nomad/keyfob.nomad.hcl
job "app" {
  group "app" {
    # One network for the group: what listens on 127.0.0.1 in one task is there for the others, and for nobody else.
    network {
      mode = "bridge"
    }

    task "keyfob" {
      driver = "docker"
      user   = "65532:65532"

      # Started before the application, there as long as it is.
      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      # Nomad's own identity of this task, renewed by Nomad before it ends; the role trusts Nomad as its OIDC provider.
      identity {
        name     = "aws"
        aud      = ["sts.amazonaws.com"]
        file     = true
        filepath = "secrets/aws.jwt"
        ttl      = "1h"
      }

      env {
        AWS_REGION                  = "eu-central-1"
        AWS_ROLE_ARN                = "arn:aws:iam::111122223333:role/app"
        AWS_WEB_IDENTITY_TOKEN_FILE = "${NOMAD_SECRETS_DIR}/aws.jwt"
      }

      template {
        destination = "local/keyfob.toml"
        data        = <<-EOT
          [auth]
          token_file = "{{ env "NOMAD_ALLOC_DIR" }}/tmp/keyfob.token"
          # Every task of the group can read the folder that they share.
          token_mode = "0444"
          admin_token_file = "{{ env "NOMAD_SECRETS_DIR" }}/admin.token"

          [[role]]
          name = "default"
          expect = { account = "111122223333", sources = ["web_identity"] }
        EOT
      }

      config {
        image           = "keyfob:0.1.0"
        args            = ["serve", "--config", "${NOMAD_TASK_DIR}/keyfob.toml"]
        readonly_rootfs = true
        cap_drop        = ["all"]
        security_opt    = ["no-new-privileges"]
      }

      resources {
        cpu    = 20
        memory = 32
      }
    }

    # Holds the application back until there are credentials, and fails with the reason when none come.
    task "credentials" {
      driver = "docker"
      user   = "65532:65532"

      lifecycle {
        hook = "prestart"
      }

      config {
        image = "keyfob:0.1.0"
        args  = ["wait", "--timeout", "60s"]
      }

      resources {
        cpu    = 20
        memory = 32
      }
    }

    task "app" {
      driver = "docker"

      env {
        AWS_CONTAINER_CREDENTIALS_FULL_URI     = "http://127.0.0.1:5397/v1/credentials/default"
        AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = "${NOMAD_ALLOC_DIR}/tmp/keyfob.token"
        AWS_EC2_METADATA_DISABLED              = "true"
        AWS_REGION                             = "eu-central-1"
        AWS_DEFAULT_REGION                     = "eu-central-1"
      }

      config {
        image   = "amazon/aws-cli:2.31.0"
        command = "sts"
        args    = ["get-caller-identity"]
      }

      resources {
        cpu    = 50
        memory = 128
      }
    }
  }
}
