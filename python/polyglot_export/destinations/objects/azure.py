"""Azure Blob Storage: the account, which Azure's own tools take from a connection string as well."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from obstore.store import AzureConfig

__all__ = ["azure_config"]

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"
_ACCOUNT = "AZURE_STORAGE_ACCOUNT"
_KEY = "AZURE_STORAGE_KEY"


def azure_config(account: str | None) -> AzureConfig:
    """What the environment says in the words of Azure's tools; obstore reads its own variables besides.

    Args:
        account: The one that the URL names.
    """
    said = _pairs(os.environ.get(CONNECTION_STRING, ""))
    name = account or said.get("accountname") or os.environ.get(_ACCOUNT)
    key = said.get("accountkey") or os.environ.get(_KEY)
    endpoint = said.get("blobendpoint")
    if endpoint is None and said.get("endpointsuffix") and name:
        endpoint = f"{said.get('defaultendpointsprotocol', 'https')}://{name}.blob.{said['endpointsuffix']}"
    config: AzureConfig = {}
    if name:
        config["account_name"] = name
    if key:
        config["account_key"] = key
    if said.get("sharedaccesssignature"):
        config["sas_key"] = said["sharedaccesssignature"]
    if endpoint:
        config["endpoint"] = endpoint.rstrip("/")
    return config


def _pairs(text: str) -> dict[str, str]:
    """``AccountName=a;AccountKey=b==`` taken apart; names in lower case."""
    pairs = (part.partition("=") for part in text.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
