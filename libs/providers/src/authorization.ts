/**
 * What follows the scheme in an Authorization header; undefined when another scheme stands there.
 * Source: RFC 9110, sections 11.1 and 11.4: the case of a scheme says nothing, blanks part it from its credentials.
 */
export function credentialsAfter(scheme: string, header: string): string | undefined {
  if (header.slice(0, scheme.length).toLowerCase() !== scheme.toLowerCase()) return undefined;
  let at = scheme.length;
  while (header[at] === ' ') at += 1;
  return at > scheme.length ? header.slice(at) : undefined;
}

/**
 * A token in a header, behind what the source says stands before it: "Bearer " in Authorization when it says nothing.
 * Undefined where that is missing, or nothing follows.
 */
export function tokenAfter(
  prefix: string | undefined,
  headerName: string,
  value: string,
): string | undefined {
  const isAuthorization = headerName === 'authorization';
  const before = prefix ?? (isAuthorization ? 'Bearer ' : '');
  const scheme = /^([\w-]+) $/.exec(before)?.[1];
  if (isAuthorization && scheme !== undefined) return credentialsAfter(scheme, value) || undefined;
  return (value.startsWith(before) && value.slice(before.length)) || undefined;
}

/** What `WWW-Authenticate` says. Source: RFC 7617, section 2.1 (`charset`); RFC 6750, section 3. */
export const BASIC_CHALLENGE = 'Basic realm="posthorn", charset="UTF-8"';
export const BEARER_CHALLENGE = 'Bearer realm="posthorn"';
