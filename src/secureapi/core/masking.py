"""How personal data looks where people read along: logs and the trail."""


def masked_email(address: str) -> str:
    """`alice@example.com` as `a****@example.com`, however long it is; anything that is no address as `***`."""
    local, at, domain = address.rpartition("@")
    if not at or not local:
        return "***"
    return f"{local[0]}****@{domain[:255]}"
