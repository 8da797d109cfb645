import { AppError } from '@posthorn/errors/app-error.js';
import { invalidField } from './field-errors.js';

const URL_LENGTH_MAX = 2_048;

/** IPv4 blocks that are not the public internet: address, prefix length. Source: IANA special-purpose registry. */
const PRIVATE_V4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
const LOCAL_NAMES = /(^|\.)(localhost|local|internal|home\.arpa|lan|intranet|corp|localdomain)$/;
const V4 = /^\d+\.\d+\.\d+\.\d+$/;

/**
 * Checks what can be known of a destination's URL without asking DNS; the address itself is checked again, and
 * pinned, when a delivery is made.
 * @param allowLoopback plain http and this machine's own addresses are allowed, as on a developer's machine.
 * @param path of the field, for errors.
 * @returns the URL as it is kept.
 * @throws AppError `request.invalid` naming the field, or `destination.address_forbidden`.
 */
export function checkDestinationUrl(text: string, allowLoopback: boolean, path = 'url'): string {
  const forbidden = (message: string): AppError =>
    new AppError('destination.address_forbidden', { detail: message, fields: [{ path, message }] });
  if (text.length > URL_LENGTH_MAX || !URL.canParse(text))
    throw invalidField(path, 'expected an absolute URL');
  const url = new URL(text);
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw forbidden('only https is taken');
  if (url.username !== '' || url.password !== '')
    throw forbidden('no user or password in the URL; use headers');
  if (url.hash !== '') throw invalidField(path, 'a fragment is never sent');
  // The parser has already brought every spelling of an address (hex, octal, one number) into one form.
  const host = url.hostname.replace(/\.$/, '');
  if (allowLoopback && isLoopback(host)) return url.href;
  if (url.protocol !== 'https:') throw forbidden('only https is taken');
  if (!isPublicHost(host)) throw forbidden('the address is not public');
  return url.href;
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '[::1]' || (V4.test(host) && inBlock(v4Number(host), '127.0.0.0', 8));

function isPublicHost(host: string): boolean {
  if (host.startsWith('[')) return isPublicV6(host.slice(1, -1));
  if (V4.test(host)) return isPublicV4(v4Number(host));
  return host.includes('.') && !LOCAL_NAMES.test(host);
}

const isPublicV4 = (address: number): boolean =>
  !PRIVATE_V4.some(([block, bits]) => inBlock(address, block, bits));

/**
 * Only 2000::/3 is global unicast; of it documentation, Teredo, ORCHID and benchmarking blocks are not, and 6to4
 * carries an IPv4 address that must itself be public.
 */
function isPublicV6(text: string): boolean {
  const words = v6Words(text);
  const [first, second] = [words[0]!, words[1]!];
  if (first >> 13 !== 1) return false;
  if (first === 0x2002) return isPublicV4(((second << 16) | words[2]!) >>> 0);
  if (first === 0x2001 && (second < 0x0200 || second === 0x0db8)) return false;
  return !(first === 0x3fff && second < 0x1000);
}

/** Eight words of an address as the URL parser writes it: no zone, no embedded IPv4, at most one `::`. */
function v6Words(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [left, right] = [words(head), words(tail ?? '')];
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

const v4Number = (text: string): number =>
  text.split('.').reduce((number, part) => ((number << 8) | Number(part)) >>> 0, 0);

function inBlock(address: number, block: string, bits: number): boolean {
  const shift = 32 - bits;
  return address >>> shift === v4Number(block) >>> shift;
}
