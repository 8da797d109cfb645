import type { RequestHeaders } from './request-headers.js';
import { REPEATED } from './request-headers.js';
import { strictBase64 } from './strict-base64.js';

const LENGTH_MAX = 16_384;
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/=]+):$/;
const PEM = /^-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s+-----END CERTIFICATE-----\s*$/;

/**
 * The client's certificate as a proxy that ends TLS hands it on: a byte sequence (`:base64:`), or PEM with escapes.
 * @param headers of a request whose peer is a trusted proxy: anybody else can write what they like there.
 * @param name lower case; the header that this proxy sets, or removes, on every request.
 * @returns DER, not yet looked at; undefined when the header is missing, stands twice, or cannot be read.
 * Source: RFC 9440, section 2.2; nginx, `$ssl_client_escaped_cert`; AWS, "Mutual TLS authentication headers"; read 2026-11.
 */
export function clientCertificateIn(headers: RequestHeaders, name: string): Buffer | undefined {
  const value = headers.one(name);
  if (value === undefined || value === REPEATED || value.length > LENGTH_MAX) return undefined;
  const base64 = BYTE_SEQUENCE.exec(value)?.[1] ?? PEM.exec(unescaped(value))?.[1]?.replace(/\s/g, '');
  return base64 === undefined ? undefined : strictBase64(base64);
}

function unescaped(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return '';
  }
}
