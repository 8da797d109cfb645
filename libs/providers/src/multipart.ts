/** One part of a multipart form. */
export interface FormPart {
  readonly name: string;
  /** Undefined for a field. */
  readonly fileName: string | undefined;
  /** As sent; empty = none. */
  readonly contentType: string;
  readonly body: Buffer;
}

const PARTS_MAX = 1000;
const PART_HEAD_BYTES_MAX = 8192;
const CONTENT_TYPE = /^multipart\/form-data\s*;/i;
/** Source: RFC 2046, section 5.1.1: 1 to 70 characters, the last one no blank. */
const BOUNDARY = /;\s*boundary=(?:"([^"\\]{1,70})"|([^\s";,]{1,70}))\s*(?:;|$)/i;
const DISPOSITION = /^content-disposition:[ \t]*form-data[ \t]*(;.*)$/i;
const PARAMETER = /^;[ \t]*([a-z*]{1,32})=(?:"((?:[^"\\]|\\.)*)"|([^\s";]*))[ \t]*/i;
const CRLF = Buffer.from('\r\n');
const HEAD_END = Buffer.from('\r\n\r\n');

/**
 * Parses multipart/form-data, strictly and bounded.
 * @returns undefined for anything but parts with names between well-formed boundaries, one after the other from
 * the first byte to the last, or more than 1,000 of them.
 * Why strict: signed fields may stand in it, and two readers must not find two values.
 * Source: RFC 7578, RFC 2046, read 2026-11.
 */
export function parseMultipart(body: Buffer, contentType: string): readonly FormPart[] | undefined {
  const match = CONTENT_TYPE.test(contentType) ? BOUNDARY.exec(contentType) : null;
  const boundary = match?.[1] ?? match?.[2];
  if (boundary === undefined || boundary.endsWith(' ')) return undefined;
  const opening = Buffer.from(`--${boundary}\r\n`);
  if (!body.subarray(0, opening.length).equals(opening)) return undefined;
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const parts: FormPart[] = [];
  let start = opening.length;
  for (;;) {
    const end = delimiterAt(body, delimiter, start);
    if (end === -1 || parts.length === PARTS_MAX) return undefined;
    const part = parsePart(body.subarray(start, end));
    if (part === undefined) return undefined;
    parts.push(part);
    start = end + delimiter.length + CRLF.length;
    if (isAt(body, '--', end + delimiter.length))
      return isNothingOrBreak(body.subarray(start)) ? parts : undefined;
  }
}

/** Where the next boundary is; text that only begins like one belongs to the part. */
function delimiterAt(body: Buffer, delimiter: Buffer, start: number): number {
  let at = body.indexOf(delimiter, start);
  while (at !== -1) {
    const after = at + delimiter.length;
    if (isAt(body, '\r\n', after) || isAt(body, '--', after)) return at;
    at = body.indexOf(delimiter, at + 1);
  }
  return -1;
}

function parsePart(bytes: Buffer): FormPart | undefined {
  const end = bytes.subarray(0, PART_HEAD_BYTES_MAX).indexOf(HEAD_END);
  if (end === -1) return undefined;
  let [parameters, contentType]: [Map<string, string> | undefined, string] = [undefined, ''];
  for (const line of bytes.subarray(0, end).toString().split('\r\n')) {
    const disposition = DISPOSITION.exec(line)?.[1];
    if (disposition !== undefined) {
      if (parameters !== undefined) return undefined;
      parameters = parametersOf(disposition);
      if (parameters === undefined) return undefined;
    } else if (/^content-type:/i.test(line)) contentType = line.slice(line.indexOf(':') + 1).trim();
  }
  const name = parameters?.get('name');
  if (name === undefined) return undefined;
  const fileName = parameters!.get('filename') ?? parameters!.get('filename*');
  return { name, fileName, contentType, body: bytes.subarray(end + HEAD_END.length) };
}

/** `; name="a"; filename="b"`, each once. */
function parametersOf(text: string): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  let rest = text;
  while (rest !== '') {
    const match = PARAMETER.exec(rest);
    const name = match?.[1]?.toLowerCase();
    if (match === null || name === undefined || parameters.has(name)) return undefined;
    parameters.set(name, match[2]?.replace(/\\(.)/g, '$1') ?? match[3]!);
    rest = rest.slice(match[0].length);
  }
  return parameters;
}

const isAt = (body: Buffer, text: string, at: number): boolean =>
  body.subarray(at, at + text.length).toString('latin1') === text;

const isNothingOrBreak = (rest: Buffer): boolean => rest.length === 0 || rest.equals(CRLF);

/**
 * A part's text. @param charset as the sender names it; an unknown one is read as UTF-8.
 * What is no text of that charset becomes U+FFFD.
 */
export function partText(part: FormPart, charset = 'utf-8'): string {
  try {
    return new TextDecoder(charset).decode(part.body);
  } catch {
    return part.body.toString();
  }
}
