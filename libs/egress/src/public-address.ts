import ipaddr from 'ipaddr.js';
import { AppError } from '@posthorn/errors/app-error.js';

/** What may be reached beside the public internet. */
export interface AddressRules {
  /** Lets 127.0.0.0/8 and ::1 through, for a platform on one machine. Nothing else. */
  readonly allowLoopback: boolean;
}

const SCHEMES = new Set(['http:', 'https:']);
/** Source: RFC 6761 (localhost), RFC 6762 (local), RFC 9476 and common practice (internal), read 2026-11. */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal', '.home.arpa'];
const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3');

/**
 * Whether an IP address may be called: global unicast, or loopback where that is allowed.
 * Why no translated forms: v4-mapped, NAT64, 6to4 and Teredo addresses reach an IPv4 host under another name.
 */
export function isAddressAllowed(address: string, rules: AddressRules): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  const range = parsed.range();
  if (range === 'loopback') return rules.allowLoopback;
  if (parsed instanceof ipaddr.IPv6) {
    return range === 'unicast' && parsed.zoneId === undefined && parsed.match(GLOBAL_UNICAST_V6);
  }
  return range === 'unicast';
}

/**
 * Refuses a URL that cannot be public by what it says; names are judged again when they are resolved.
 * @throws AppError `destination.address_forbidden` for other schemes, user info, addresses that are not
 * public, and local names.
 */
export function assertPublicUrl(url: string, rules: AddressRules): void {
  const reason = whyForbidden(url, rules);
  if (reason !== undefined) throw new AppError('destination.address_forbidden', { detail: reason });
}

function whyForbidden(text: string, rules: AddressRules): string | undefined {
  if (!URL.canParse(text)) return 'not a URL';
  const url = new URL(text); // writes decimal, octal and hex IPv4 in its usual form
  if (!SCHEMES.has(url.protocol)) return 'only http and https';
  if (url.username !== '' || url.password !== '') return 'no user name or password in the URL';
  const literal = literalAddress(url.hostname);
  if (literal !== undefined) return isAddressAllowed(literal, rules) ? undefined : 'not a public address';
  const name = url.hostname.toLowerCase().replace(/\.+$/, '');
  if (name === '') return 'no host';
  if (name === 'localhost' || name.endsWith('.localhost')) {
    return rules.allowLoopback ? undefined : 'a local name';
  }
  if (!name.includes('.') || LOCAL_SUFFIXES.some((suffix) => name.endsWith(suffix))) return 'a local name';
  return undefined;
}

/** The IP address when a URL's host is one, without brackets. */
export function literalAddress(hostname: string): string | undefined {
  const bare = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return ipaddr.isValid(bare) ? bare : undefined;
}
