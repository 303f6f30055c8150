# SPDX-License-Identifier: Apache-2.0
"""A refusal as Azure Resource Manager words it: an HTTP status and {"error": {code, message, target}}."""


class ArmError(Exception):
    def __init__(self, status, code, message, target=None, headers=None):
        super().__init__(f"{status} {code}: {message}")
        self.status, self.code, self.message, self.target = status, code, message, target
        self.headers = headers or {}

    def body(self):
        error = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        return {"error": error}


def bad(message, target=None, code="InvalidParameter"):
    return ArmError(400, code, message, target)


def conflict(message, code="OperationNotAllowed"):
    return ArmError(409, code, message)


def not_found(kind, name, group):
    return ArmError(404, "ResourceNotFound", f"The Resource '{kind}/{name}' under resource group '{group}' was not found. "
                    "For more details please go to https://aka.ms/ARMResourceNotFoundFix")
