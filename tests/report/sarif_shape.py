"""What SARIF 2.1.0 demands of the parts that we write (section numbers of the OASIS standard), as JSON Schema."""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string", "minLength": 1}
MESSAGE = {  # 3.11
    "type": "object",
    "required": ["text"],
    "properties": {"text": TEXT, "markdown": TEXT},
    "additionalProperties": False,
}
URI = {"type": "string", "pattern": r"^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$"}  # RFC 3986 characters only
LEVEL = {"enum": ["none", "note", "warning", "error"]}
BAG = {"type": "object"}
ARTIFACT_LOCATION = {"type": "object", "required": ["uri"], "properties": {"uri": URI}, "additionalProperties": False}
REGION = {  # 3.30
    "type": "object",
    "required": ["startLine"],
    "properties": {"startLine": {"type": "integer", "minimum": 1}, "snippet": MESSAGE},
    "additionalProperties": False,
}
RULE = {  # 3.49
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": MESSAGE,
        "fullDescription": MESSAGE,
        "help": MESSAGE,
        "defaultConfiguration": {"type": "object", "properties": {"level": LEVEL}, "additionalProperties": False},
        "properties": BAG,
    },
    "additionalProperties": False,
}
RESULT = {  # 3.27
    "type": "object",
    "required": ["message"],
    "properties": {
        "ruleId": TEXT,
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": LEVEL,
        "message": MESSAGE,
        "locations": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "physicalLocation": {
                        "type": "object",
                        "required": ["artifactLocation"],
                        "properties": {"artifactLocation": ARTIFACT_LOCATION, "region": REGION},
                        "additionalProperties": False,
                    }
                },
                "additionalProperties": False,
            },
        },
        "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
        "properties": BAG,
    },
    "additionalProperties": False,
}
NOTIFICATION = {  # 3.58
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": MESSAGE,
        "level": LEVEL,
        "associatedRule": {"type": "object", "required": ["id"], "properties": {"id": TEXT}},
    },
    "additionalProperties": False,
}
RUN = {  # 3.14
    "type": "object",
    "required": ["tool", "results"],
    "properties": {
        "tool": {
            "type": "object",
            "required": ["driver"],
            "properties": {
                "driver": {
                    "type": "object",
                    "required": ["name"],
                    "properties": {
                        "name": TEXT,
                        "version": TEXT,
                        "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                        "rules": {"type": "array", "items": RULE, "uniqueItems": True},
                    },
                    "additionalProperties": False,
                }
            },
        },
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "artifacts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "location": ARTIFACT_LOCATION,
                    "length": {"type": "integer", "minimum": -1},
                    "hashes": {"type": "object", "additionalProperties": {"type": "string"}},
                },
                "additionalProperties": False,
            },
        },
        "invocations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["executionSuccessful"],
                "properties": {
                    "executionSuccessful": {"type": "boolean"},
                    "toolExecutionNotifications": {"type": "array", "items": NOTIFICATION},
                },
                "additionalProperties": False,
            },
        },
        "results": {"type": "array", "items": RESULT},
        "properties": BAG,
    },
    "additionalProperties": False,
}
LOG: dict[str, Any] = {  # 3.13
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["version", "runs"],
    "properties": {"$schema": URI, "version": {"const": "2.1.0"}, "runs": {"type": "array", "items": RUN}},
    "additionalProperties": False,
}
