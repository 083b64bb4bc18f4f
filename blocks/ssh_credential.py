"""The block for the login to machines. Cluster files contain its name, never its values."""

from __future__ import annotations

from typing import Annotated

from prefect.blocks.core import Block
from pydantic import BeforeValidator, Field, SecretStr

from cluster.vocabulary.credentials import Credential


def _no_null(value: object) -> object:
    return "" if value is None else value


# "" for none: the V2 UI hides what is typed, and for a field that may be null it asks for the type first. Older blocks have nulls.
_Secret = Annotated[SecretStr, BeforeValidator(_no_null)]
_Text = Annotated[str, BeforeValidator(_no_null)]
_EMPTY = SecretStr("")


class SSHCredential(Block):
    """A private key, an SSH agent or a password for SSH, and the password for sudo if required."""

    _block_type_name = "SSH credential"
    _block_type_slug = "ssh-credential"
    _description = (
        "Login for the machines of a cluster: a private key, an SSH agent or a password, and a sudo password if the user is not root and sudo "
        "requires one. Cluster files refer to this block in `hosts[].ssh.credential`. The user name is in the cluster file. "
        "`sixstack credential add NAME` saves one. To try it: the deployment `test-connection`, or `sixstack credential test NAME`."
    )
    _code_example = """
```python
from pathlib import Path
from blocks.ssh_credential import SSHCredential

SSHCredential(private_key=Path("~/.ssh/id_ed25519").expanduser().read_text()).save("default", overwrite=True)
credential = SSHCredential.load("default").credential()
```
"""

    private_key: _Secret = Field(
        default=_EMPTY,
        description="Private key in PEM or OpenSSH format: the content of the file, not its path. In one line, it is read too.",
    )
    passphrase: _Secret = Field(default=_EMPTY, description="Passphrase of the private key, if it has one.")
    password: _Secret = Field(default=_EMPTY, description="Password of the user, for a login without a key.")
    sudo_password: _Secret = Field(default=_EMPTY, description="Password for sudo. Empty: the password of the user.")
    agent_socket: _Text = Field(
        default="",
        title="SSH agent",
        description="Instead of a private key: absolute path of an SSH agent's socket on the worker's machine. The worker's user must be able to "
        "open it.",
    )
    agent_key: _Text = Field(
        default="",
        title="Key of the SSH agent",
        description="Public key (`ssh-ed25519 AAAA...`) of the agent's key to use. Empty: its first five keys, one after another.",
    )

    @classmethod
    def of(cls, credential: Credential) -> SSHCredential:
        """The block with these plain values."""
        return cls(
            private_key=_secret(credential.private_key),
            passphrase=_secret(credential.passphrase),
            password=_secret(credential.password),
            sudo_password=_secret(credential.sudo_password),
            agent_socket=credential.agent_socket or "",
            agent_key=credential.agent_key or "",
        )

    def credential(self) -> Credential:
        """The plain values, for hosts/. The repr contains none of them."""
        secrets = {
            "password": self.password,
            "private_key": self.private_key,
            "passphrase": self.passphrase,
            "sudo_password": self.sudo_password,
        }
        plain = {name: secret.get_secret_value() for name, secret in secrets.items()}
        return Credential.of_fields({**plain, "agent_socket": self.agent_socket, "agent_key": self.agent_key})


def _secret(plain: str | None) -> SecretStr:
    return SecretStr(plain or "")
