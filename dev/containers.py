"""Where the platform in containers is: `python3 -m dev.containers` writes `.run/containers.env`."""

import os
import subprocess
import sys

from dev.setup import ROOT

ENV = ROOT / ".run" / "containers.env"
SEED_ENV = "seed:/var/lib/recepta/seed/env"


def env() -> dict[str, str]:
    """Addresses, and the credentials that the seed has left. Waits for the seed."""
    # Fails when the seed has ended already, which is as good.
    subprocess.run(("docker", "compose", "wait", "seed"), cwd=ROOT, capture_output=True, check=False)
    return _addresses() | _credentials()


def _addresses() -> dict[str, str]:
    ports = {"RECEPTA_PORT": "8080", "RECEPTA_KAFKA_PORT": "9094", "RECEPTA_MAIL_PORT": "8025"}
    chosen = {name: os.environ.get(name, default) for name, default in ports.items()}
    return {
        "RECEPTA_URL": f"http://127.0.0.1:{chosen['RECEPTA_PORT']}",
        "RECEPTA_KAFKA": f"127.0.0.1:{chosen['RECEPTA_KAFKA_PORT']}",
        "RECEPTA_MAIL_URL": f"http://127.0.0.1:{chosen['RECEPTA_MAIL_PORT']}",
    }


def _credentials() -> dict[str, str]:
    ENV.parent.mkdir(exist_ok=True)
    subprocess.run(("docker", "compose", "cp", SEED_ENV, str(ENV)), cwd=ROOT, capture_output=True, check=True)
    lines = ENV.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def main() -> int:
    try:
        found = env()
    except subprocess.CalledProcessError:
        print("The seed has left no credentials: see `docker compose logs seed`.", file=sys.stderr)
        return 1
    ENV.write_text("".join(f"{name}={value}\n" for name, value in found.items()), encoding="utf-8")
    ENV.chmod(0o600)
    print(f"Recepta is ready: {found['RECEPTA_URL']}, mail {found['RECEPTA_MAIL_URL']}, credentials {ENV}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
