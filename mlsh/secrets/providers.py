"""Secrets that are known by their own look: each provider's prefix and alphabet, whatever stands around them."""

from __future__ import annotations

import re

from mlsh.secrets.rule import Rule

# Their alphabets have more signs than letters, digits, _ and -.
_WITH_GAPS = frozenset({"azure-client-secret", "azure-storage-key", "azure-sas", "slack-webhook", "stripe-key"})
_EDGE = r"(?<![A-Za-z0-9])"


def _rule(id_: str, what: str, needs: str, pattern: str, rotate: str) -> Rule:
    is_gapless = id_ not in _WITH_GAPS
    return Rule(id_, what, tuple(needs.lower().split()), re.compile(_EDGE + pattern), rotate, is_gapless=is_gapless)


RULES: tuple[Rule, ...] = (
    _rule(
        "aws-access-key",
        "AWS access key id",
        "AKIA ASIA ABIA ACCA",
        r"((?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16})(?![A-Za-z0-9])",
        "AWS console, IAM > Users > Security credentials; or: aws iam create-access-key, then delete-access-key",
    ),
    _rule(
        "gcp-api-key",
        "Google API key",
        "AIza",
        r"(AIza[A-Za-z0-9_-]{35})(?![A-Za-z0-9_-])",
        "https://console.cloud.google.com/apis/credentials",
    ),
    _rule(
        "gcp-oauth",
        "Google OAuth token or client secret",
        "ya29. GOCSPX- 1//0",
        r"(ya29\.[A-Za-z0-9_-]{20,512}+|GOCSPX-[A-Za-z0-9_-]{28}|1//0[A-Za-z0-9_-]{40,200}+)",
        "gcloud auth revoke; client secrets: https://console.cloud.google.com/apis/credentials",
    ),
    _rule(
        "azure-client-secret",
        "Azure client secret",
        "8Q~ 7Q~",
        r"([A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34})(?![A-Za-z0-9_~-])",
        "Azure portal, App registrations > Certificates & secrets; or: az ad app credential reset",
    ),
    _rule(
        "azure-storage-key",
        "Azure storage account key",
        "accountkey= sharedaccesskey=",
        r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{40,120}={0,2})",
        "az storage account keys renew; portal: Storage account > Access keys",
    ),
    _rule(
        "azure-sas",
        "Azure shared access signature",
        "sig=",
        r"sig=([A-Za-z0-9%+/]{40,120}(?:%3[Dd]|=))",
        "renew the key that signed it: az storage account keys renew",
    ),
    _rule(
        "github-token",
        "GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"(gh[pousr]_[A-Za-z0-9]{36,255}+)",
        "https://github.com/settings/tokens; the gh command's own: gh auth refresh",
    ),
    _rule(
        "github-pat",
        "GitHub fine-grained token",
        "github_pat_",
        r"(github_pat_[A-Za-z0-9_]{40,255}+)",
        "https://github.com/settings/personal-access-tokens",
    ),
    _rule(
        "gitlab-token",
        "GitLab token",
        "glpat- gldt- glrt- glptt- glcbt- gloas- glsoat-",
        r"(gl(?:pat|dt|rt|ptt|cbt|oas|soat)-[A-Za-z0-9_-]{18,300}+[A-Za-z0-9_.-]{0,100}+)",
        "GitLab, Preferences > Access tokens (https://gitlab.com/-/user_settings/personal_access_tokens)",
    ),
    _rule(
        "huggingface-token",
        "Hugging Face token",
        "hf_ api_org_",
        r"((?:hf_|api_org_)[A-Za-z0-9]{30,64}+)(?![A-Za-z0-9_])",
        "https://huggingface.co/settings/tokens, then: hf auth login",
    ),
    _rule(
        "anthropic-key",
        "Anthropic key",
        "sk-ant-",
        r"(sk-ant-[A-Za-z0-9_-]{20,200}+)",
        "https://console.anthropic.com/settings/keys",
    ),
    _rule(
        "openrouter-key",
        "OpenRouter key",
        "sk-or-v1-",
        r"(sk-or-v1-[0-9a-f]{40,80}+)",
        "https://openrouter.ai/settings/keys",
    ),
    _rule(
        "openai-key",
        "OpenAI key",
        "sk-",
        r"(sk-(?:(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,256}+|[A-Za-z0-9]{32,64}+))(?![A-Za-z0-9])",
        "https://platform.openai.com/api-keys",
    ),
    _rule(
        "wandb-key",
        "Weights & Biases key",
        "wandb_v1_",
        r"(wandb_v1_[A-Za-z0-9_]{30,200}+)",
        "https://wandb.ai/authorize (User settings > API keys), then: wandb login --relogin",
    ),
    _rule(
        "slack-token",
        "Slack token",
        "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe xapp-",
        r"(xox[bpars]-[A-Za-z0-9-]{16,250}+|xoxe(?:\.xox[bp])?-[A-Za-z0-9-]{20,250}+|xapp-[0-9]-[A-Za-z0-9-]{20,250}+)",
        "https://api.slack.com/apps, the app's OAuth & Permissions",
    ),
    _rule(
        "slack-webhook",
        "Slack webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{30,100}+)",
        "https://api.slack.com/apps, the app's Incoming Webhooks",
    ),
    _rule(
        "discord-webhook",
        "Discord webhook",
        "/api/webhooks/",
        r"discord(?:app)?\.com/api/webhooks/[0-9]{15,25}/([A-Za-z0-9_-]{50,100}+)",
        "Discord, channel settings > Integrations > Webhooks",
    ),
    Rule(
        "telegram-token",
        "Telegram bot token",
        (":aa",),
        # In a URL it follows `bot` without a gap.
        re.compile(r"(?<![0-9])([0-9]{8,12}:AA[A-Za-z0-9_-]{33})(?![A-Za-z0-9_-])"),
        "@BotFather: /revoke",
    ),
    _rule(
        "stripe-key",
        "Stripe key",
        "sk_live_ rk_live_ sk_test_ rk_test_ whsec_",
        r"((?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,250}+|whsec_[A-Za-z0-9+/=]{24,100}+)",
        "https://dashboard.stripe.com/apikeys",
    ),
    _rule(
        "npm-token", "npm token", "npm_", r"(npm_[A-Za-z0-9]{36})(?![A-Za-z0-9])", "npm token revoke; npm token create"
    ),
    _rule(
        "pypi-token",
        "PyPI token",
        "pypi-age",
        r"(pypi-AgE[A-Za-z0-9_-]{50,1000}+)",
        "https://pypi.org/manage/account/token/",
    ),
    _rule(
        "docker-token",
        "Docker token",
        "dckr_pat_ dckr_oat_",
        r"(dckr_[po]at_[A-Za-z0-9_-]{20,100}+)",
        "https://app.docker.com/settings/personal-access-tokens",
    ),
    _rule(
        "nvidia-key",
        "NVIDIA NGC key",
        "nvapi-",
        r"(nvapi-[A-Za-z0-9_-]{40,120}+)",
        "https://org.ngc.nvidia.com/setup/api-keys",
    ),
    _rule("groq-key", "Groq key", "gsk_", r"(gsk_[A-Za-z0-9]{40,80}+)", "https://console.groq.com/keys"),
    _rule(
        "replicate-token",
        "Replicate token",
        "r8_",
        r"(r8_[A-Za-z0-9]{37,40}+)",
        "https://replicate.com/account/api-tokens",
    ),
    _rule("xai-key", "xAI key", "xai-", r"(xai-[A-Za-z0-9]{60,100}+)", "https://console.x.ai"),
    _rule(
        "perplexity-key",
        "Perplexity key",
        "pplx-",
        r"(pplx-[A-Za-z0-9]{40,80}+)",
        "https://www.perplexity.ai/settings/api",
    ),
    _rule(
        "langsmith-key",
        "LangSmith key",
        "lsv2_",
        r"(lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{8,12})",
        "https://smith.langchain.com/settings",
    ),
    _rule("runpod-key", "RunPod key", "rpa_", r"(rpa_[A-Z0-9]{40,60}+)", "https://console.runpod.io/user/settings"),
    _rule(
        "modal-token",
        "Modal token",
        "ak- as-",
        r"(a[ks]-[A-Za-z0-9]{22})(?![A-Za-z0-9-])",
        "https://modal.com/settings/tokens",
    ),
    _rule(
        "databricks-token",
        "Databricks token",
        "dapi",
        r"(dapi[0-9a-f]{32}(?:-[0-9])?)(?![A-Za-z0-9])",
        "Databricks, Settings > Developer > Access tokens",
    ),
    _rule(
        "digitalocean-token",
        "DigitalOcean token",
        "dop_v1_ doo_v1_ dor_v1_",
        r"(do[por]_v1_[0-9a-f]{64})",
        "https://cloud.digitalocean.com/account/api/tokens",
    ),
    _rule(
        "sendgrid-key",
        "SendGrid key",
        "sg.",
        r"(SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43})",
        "https://app.sendgrid.com/settings/api_keys",
    ),
    _rule("vault-token", "Vault token", "hvs. hvb.", r"(hv[sb]\.[A-Za-z0-9_-]{24,300}+)", "vault token revoke"),
    _rule(
        "tailscale-key",
        "Tailscale key",
        "tskey-",
        r"(tskey-[a-z]{2,12}-[A-Za-z0-9-]{16,100}+)",
        "https://login.tailscale.com/admin/settings/keys",
    ),
    _rule(
        "age-key",
        "age identity",
        "age-secret-key-1",
        r"(AGE-SECRET-KEY-1[A-Z0-9]{58})",
        "age-keygen; encrypt again for the new one",
    ),
    _rule(
        "jwt",
        "JSON web token",
        "eyj",
        r"(eyJ[A-Za-z0-9_-]{10,600}+\.eyJ[A-Za-z0-9_-]{10,4000}+\.[A-Za-z0-9_-]{18,1000}+)",
        "sign out where it came from; it is good until it expires",
    ),
    Rule(
        "private-key",
        "private key",
        ("-----begin",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"((?:[A-Za-z0-9+/=:,.()\s\"]|\\[nrt\s]|-(?!----)){80,32768}+)"
        ),
        "make a new key (ssh-keygen -t ed25519), and take the old one out of every authorized_keys or certificate;"
        " a Google service account's: gcloud iam service-accounts keys create, then keys delete",
        lambda _match, body: re.search(r"[A-Za-z0-9+/=]{40}", body) is not None,
        spans_lines=True,
    ),
    Rule(
        "putty-key",
        "PuTTY private key",
        ("private-lines:",),
        re.compile(r"Private-Lines: [0-9]{1,4}\r?\n((?:[A-Za-z0-9+/=]{1,100}\r?\n){1,500}+)"),
        "make a new key, and take the old one out of every authorized_keys",
        spans_lines=True,
    ),
)
