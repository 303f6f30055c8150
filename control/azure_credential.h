// SPDX-License-Identifier: Apache-2.0
/*
 * Who one is to Microsoft Entra ID (or to AD FS of an Azure Stack Hub), from where the Azure SDKs read it. The first of
 * these that is there is used for as long as the credential lives:
 *
 *   AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET               a client secret
 *   ... and AZURE_CLIENT_CERTIFICATE_PATH (PEM with certificate and key)   a certificate; signs an assertion (RFC 7523)
 *   ... and AZURE_FEDERATED_TOKEN_FILE                                     workload identity; the file is read every time
 *   the metadata service answers (AZURE_CLIENT_ID: of that identity)       managed identity
 *   `az` is there                                                          the operator's own login
 *
 * learn.microsoft.com: "Azure Identity client library", "Microsoft identity platform and the OAuth 2.0 client credentials
 * flow". Secrets and tokens are in no message, log or argument. One thread.
 */
#ifndef WHERRY_CONTROL_AZURE_CREDENTIAL_H
#define WHERRY_CONTROL_AZURE_CREDENTIAL_H

#include <stdint.h>

#include "base/err.h"
#include "base/log.h"

struct azure_credential;

struct azure_login {
	const char *authority;  /* "https://login.microsoftonline.com"; of AD FS: ".../adfs" */
	bool adfs;
	const char *tried_for;  /* audience of a first token, that tells whether there is a managed identity */
	int64_t az_wait_ns;     /* how long `az` may take; 0: a minute */
	const struct log *log;  /* borrowed */
};

/* CONFIG: there is none, and what was looked for; or one is not complete. NETWORK, TIMEOUT: it is not known yet. */
struct azure_credential *azure_credential_new(const struct azure_login *login, struct err *e);
void azure_credential_free(struct azure_credential *c); /* wipes */

/* A token for that audience ("https://management.azure.com"), good for some minutes at least; renewed in time. Borrowed until
 * the next call. DENIED: who is not accepted, in the service's words. */
const char *azure_credential_token(struct azure_credential *c, const char *audience, struct err *e);
/* The service that the token was shown to did not take it: the next one is a new one. */
void azure_credential_renew(struct azure_credential *c);
/* "client 1234-... by its secret", for people. */
const char *azure_credential_who(const struct azure_credential *c);
/* The subscription that `az` has chosen; "": not known. */
const char *azure_credential_subscription(const struct azure_credential *c);

#endif
