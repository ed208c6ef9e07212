"""What Entra's sign-in logs call things: errors, clients, kinds of sign-in.

Error codes: learn.microsoft.com, “Microsoft Entra authentication and authorization error codes”.
"""

DENIED = frozenset(
    {
        *("50005", "50020", "50105", "50131", "50157", "50158", "50177", "50178", "50194"),
        *("53000", "53001", "53002", "53003", "53004", "53005", "53009", "53010", "53011"),
        *("530001", "530002", "530003", "530004", "530021", "530031", "530032", "530033", "530034", "530035", "5300354"),
        *("65002", "65005", "90094", "90095", "700016", "7000112", "1002016"),
    }
)
"""Refused by a policy: conditional access, assignment, tenant, risk; nobody got anything wrong."""

INTERRUPTED = frozenset(
    {
        *(
            "16000",
            "16001",
            "16002",
            "16003",
            "50055",
            "50058",
            "50059",
            "50072",
            "50074",
            "50076",
            "50079",
            "50097",
            "50125",
            "50127",
        ),
        *("50129", "50140", "50143", "50144", "50199", "51006", "52004", "65001", "81010", "81012", "9002341"),
    }
)
"""The user was asked for more (second factor, consent, another password, a choice): what they did then is another record."""

LEGACY = frozenset(
    {
        *(
            "authenticated smtp",
            "smtp",
            "autodiscover",
            "exchange activesync",
            "exchange online powershell",
            "exchange web services",
        ),
        *("imap", "imap4", "mapi over http", "mapi", "offline address book", "other clients", "outlook anywhere (rpc over http)"),
        *(
            "outlook service",
            "pop",
            "pop3",
            "reporting web services",
            "other clients; older office clients",
            "exchange activesync (unsupported)",
        ),
        *("other clients; imap", "other clients; pop", "other clients; smtp", "other clients; mapi", "universal outlook"),
    }
)
"""Client applications that can only send a password: no second factor is possible with them."""

SIGN_INS = {
    "signinlogs": "interactive",
    "noninteractiveusersigninlogs": "non_interactive",
    "serviceprincipalsigninlogs": "service_principal",
    "managedidentitysigninlogs": "managed_identity",
    "microsoftserviceprincipalsigninlogs": "service_principal",
    "adfssigninlogs": "federated",
    "b2crequestlogs": "interactive",
    "interactiveuser": "interactive",
    "noninteractiveuser": "non_interactive",
    "serviceprincipal": "service_principal",
    "managedidentity": "managed_identity",
}
"""Category of the diagnostic settings, or type of the beta API, to the kind of a sign-in."""

OUTCOMES = {
    "success": "success",
    "succeeded": "success",
    "failure": "failure",
    "failed": "failure",
    "timeout": "failure",
    "denied": "denied",
}
"""Results of directory changes; `unknownFutureValue` and what else may come are none."""

GRANTED = ("success", "reportonlysuccess")
REFUSED = ("failure", "reportonlyfailure")
