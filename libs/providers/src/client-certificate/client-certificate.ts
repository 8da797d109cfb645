import { createHash, type X509Certificate } from 'node:crypto';
import { safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { decodedSecrets } from '../decoded-secret.js';
import {
  BODIES_STEP,
  genericEvents,
  identityOf,
  identityOfBody,
  POINTER_SETTINGS,
} from '../generic-event.js';
import { headerName, singleHeader } from '../header-setting.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, identifier, refuse, type Validity } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { isForClients, isIssuedBy, namesOf, readCertificate, validityOf } from './certificate.js';

const CERTIFICATES_MAX = 8;
const NAMES_MAX = 32;
const BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
const FINGERPRINT = /^[0-9a-f]{2}(?::?[0-9a-f]{2}){31}$/i;

const settings = COMMON_SETTINGS.extend({
  names: z
    .array(z.string().min(1).max(256))
    .max(NAMES_MAX)
    .default([])
    .describe(
      'Names (host, URI, email address) of which a certificate issued by the authority must have one',
    ),
  idHeader: headerName.optional().describe("The header with the sender's event ID"),
  ...POINTER_SETTINGS,
});
type Settings = z.output<typeof settings>;

/** What a secret trusts: certificates as they are, by their hash, and those that an authority issued. */
interface Trust {
  readonly fingerprints: readonly Buffer[];
  readonly authorities: readonly X509Certificate[];
}

const trustOf = decodedSecrets(readTrust);

/** Senders that prove themselves by a client certificate in the TLS handshake. */
export const clientCertificate: Provider<Settings> = {
  id: 'client-certificate',
  name: 'Client certificate (mutual TLS)',
  documentation: 'https://datatracker.ietf.org/doc/html/rfc9440',
  schemes: ['client certificate, pinned', 'client certificate of an authority, by name'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  usesClientCertificate: true,

  validateSecret(value: string, source?: Settings): void {
    const { authorities } = readTrust(value);
    if (authorities.length > 0 && source?.names.length === 0)
      throw new AppError('secret.invalid', {
        detail:
          'an authority issues certificates to others too: set names before, or give the certificate itself',
      });
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], { names }: Settings): Verdict {
    const der = request.clientCertificate;
    if (der === undefined) return refuse('signature.missing', 'the client showed no certificate');
    const certificate = readCertificate(der);
    const validity = certificate === undefined ? undefined : validityOf(certificate);
    if (certificate === undefined || validity === undefined)
      return refuse('signature.malformed', 'the certificate cannot be read');
    const fingerprint = createHash('sha256').update(der).digest();
    for (const secret of secrets) {
      const trust = trustOf(secret);
      if (trust?.fingerprints.some((each) => safeEqual(each, fingerprint)) === true)
        return accept(secret.id, undefined, undefined, validity);
      const issuer = trust?.authorities.find((each) => isIssuedBy(certificate, each));
      if (issuer !== undefined && isForClients(certificate) && hasName(certificate, names))
        return accept(secret.id, undefined, undefined, within(validity, validityOf(issuer)));
    }
    return refuse('signature.mismatch', 'the certificate is not one that this source trusts');
  },

  parse(request: ProviderRequest, source: Settings): readonly ProviderEvent[] {
    const id = source.idHeader === undefined ? undefined : identifier(singleHeader(request, source.idHeader));
    return genericEvents(request, source, id === undefined ? identityOfBody(request.body) : identityOf(id));
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Senders that prove themselves by a client certificate in the TLS handshake.',
    secret:
      "The sender's certificate in PEM or its SHA-256 in hex, or the certificates (PEM) of the authority that issues it, together with `names`.",
    setup: [
      'TLS has to end where client certificates are asked for and handed on: see the configuration of the intake for the header, and the proxies that are trusted.',
      'Create the source with the certificate as secret; or with the certificate of the authority, and `names` set to a host, URI or email address that it puts into this sender’s certificates.',
      'Enter `{url}` at the sender and turn its client certificate on.',
      'Before the sender renews a pinned certificate, add the new one as a secret.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: { policy: 'Each sender has its own.', isRepeated: {} },
    sameness: 'The ID at `idPointer`, else in `idHeader`, else the hash of the body.',
    reconciliation: { isPossible: 'no', how: "Upload the sender's log to a reconciliation." },
    limits: [
      'The certificate vouches for the connection, not for the request: between the proxy and us only the network protects it.',
      'A proxy that is trusted but lets a client set the header lets anybody in. It must set or remove it on every request.',
      'Revocation is not looked up: change the secret instead.',
    ],
  },
};

/** @throws AppError `secret.invalid` when a text is neither certificates nor a fingerprint. */
function readTrust(value: string): Trust {
  const text = value.trim();
  if (FINGERPRINT.test(text))
    return { fingerprints: [Buffer.from(text.replaceAll(':', ''), 'hex')], authorities: [] };
  const certificates = (text.match(BLOCK) ?? []).map(readCertificate);
  const isOnlyThat = text.replace(BLOCK, '').trim() === '';
  if (!isOnlyThat || certificates.length === 0 || certificates.length > CERTIFICATES_MAX) throw invalid();
  const read = certificates.filter((each) => each !== undefined);
  if (read.length < certificates.length) throw invalid();
  return {
    fingerprints: read.filter(({ ca }) => !ca).map(({ raw }) => createHash('sha256').update(raw).digest()),
    authorities: read.filter(({ ca }) => ca),
  };
}

const invalid = (): AppError =>
  new AppError('secret.invalid', {
    detail: `expected up to ${CERTIFICATES_MAX} certificates in PEM and nothing else, or one SHA-256 in hex`,
  });

/** Hosts without regard to case, all else as it is. */
function hasName(certificate: X509Certificate, names: readonly string[]): boolean {
  const given = namesOf(certificate);
  return names.some((name) => given.includes(name) || given.includes(name.toLowerCase()));
}

/** What an authority issued counts as long as the authority does. */
const within = (validity: Validity, outer: Validity | undefined): Validity => ({
  fromMs: Math.max(validity.fromMs, outer?.fromMs ?? Infinity),
  untilMs: Math.min(validity.untilMs, outer?.untilMs ?? 0),
});
