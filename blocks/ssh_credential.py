"""The block for the login to machines. Cluster files contain its name, never its values."""

from __future__ import annotations

from prefect.blocks.core import Block
from pydantic import Field, SecretStr

from cluster.vocabulary.credentials import Credential


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

    private_key: SecretStr | None = Field(
        default=None,
        description="Private key in PEM or OpenSSH format: the content of the file, not its path. In one line, it is read too.",
    )
    passphrase: SecretStr | None = Field(default=None, description="Passphrase of the private key, if it has one.")
    password: SecretStr | None = Field(default=None, description="Password of the user, for a login without a key.")
    sudo_password: SecretStr | None = Field(default=None, description="Password for sudo. Empty: the password of the user.")
    agent_socket: str | None = Field(
        default=None,
        title="SSH agent",
        description="Instead of a private key: absolute path of an SSH agent's socket on the worker's machine. The worker's user must be able to "
        "open it.",
    )
    agent_key: str | None = Field(
        default=None,
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
            agent_socket=credential.agent_socket,
            agent_key=credential.agent_key,
        )

    def credential(self) -> Credential:
        """The plain values, for hosts/. The repr contains none of them."""
        secrets = {
            "password": self.password,
            "private_key": self.private_key,
            "passphrase": self.passphrase,
            "sudo_password": self.sudo_password,
        }
        plain = {name: secret.get_secret_value() for name, secret in secrets.items() if secret is not None}
        return Credential.of_fields({**plain, "agent_socket": self.agent_socket, "agent_key": self.agent_key})


def _secret(plain: str | None) -> SecretStr | None:
    return SecretStr(plain) if plain else None
