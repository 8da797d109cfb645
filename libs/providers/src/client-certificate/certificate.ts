import { X509Certificate } from 'node:crypto';
import type { Validity } from '../provider.js';

/** Purposes with which a certificate may stand for a client: that one, or any. Source: RFC 5280, section 4.2.1.12. */
const CLIENT_PURPOSES = new Set(['1.3.6.1.5.5.7.3.2', '2.5.29.37.0']);
/** One name of Node's list; what could be mistaken for the list's own signs it writes as a JSON string. */
const ALTERNATIVE_NAME = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;
const NAME_TYPES = new Set(['DNS', 'URI', 'email']);

/** A certificate from DER or PEM; undefined when it is none. */
export function readCertificate(source: Buffer | string): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(source);
    // Trailing bytes are no part of what was signed, and two spellings would be two fingerprints.
    return typeof source === 'string' || certificate.raw.equals(source) ? certificate : undefined;
  } catch {
    return undefined;
  }
}

/** From when until when it counts; undefined when it does not say it readably. */
export function validityOf({ validFrom, validTo }: X509Certificate): Validity | undefined {
  const [fromMs, untilMs] = [Date.parse(validFrom), Date.parse(validTo)];
  return Number.isNaN(fromMs) || Number.isNaN(untilMs) ? undefined : { fromMs, untilMs };
}

/** Whether an authority issued a certificate: by name, by what the authority may do, and by signature. */
export function isIssuedBy(certificate: X509Certificate, authority: X509Certificate): boolean {
  try {
    return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
  } catch {
    // A kind of key that this machine cannot use.
    return false;
  }
}

/** Whether it may stand for a client: an authority may not; one that names no purpose may. */
export const isForClients = ({ ca, keyUsage }: X509Certificate): boolean =>
  !ca && (keyUsage === undefined || keyUsage.some((purpose) => CLIENT_PURPOSES.has(purpose)));

/**
 * Whom a certificate names: its alternative names of hosts (lower case), addresses and URIs; without any of a kind
 * the common name. Source: RFC 6125, section 6.4.4: the common name is for certificates without others.
 */
export function namesOf({ subject, subjectAltName }: X509Certificate): readonly string[] {
  if (subjectAltName !== undefined) return alternativeNames(subjectAltName);
  const commonNames = subject.split('\n').filter((line) => line.startsWith('CN='));
  return commonNames.length === 1 ? [commonNames[0]!.slice('CN='.length)] : [];
}

function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  ALTERNATIVE_NAME.lastIndex = 0;
  for (let match; (match = ALTERNATIVE_NAME.exec(text)) !== null;) {
    const [, type, name] = match as unknown as [string, string, string];
    // A name that had to be quoted is none that anybody would set.
    if (NAME_TYPES.has(type) && !name.startsWith('"')) names.push(type === 'DNS' ? name.toLowerCase() : name);
  }
  return names;
}
