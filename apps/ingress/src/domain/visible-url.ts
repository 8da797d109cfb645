/** Where a request was sent, as far as is known here. */
export interface RequestPlace {
  /** As the client wrote it: path and query. */
  readonly target: string;
  /** `http` or `https`, as seen by the outermost proxy that is trusted. */
  readonly scheme: string;
  readonly host: string;
}

const PARTS = /^(https?:\/\/[^/?#]*)([^?#]*)(\?[^#]*)?/i;

/**
 * The URL as the provider wrote it; several schemes sign it.
 * @param sourceUrl the source's setting: an origin, or the whole URL where a proxy rewrites paths.
 * @param deploymentUrl where this deployment is reached from outside; empty = as the request says.
 * Why pieces of text and no URL object: parsing would normalise what was signed.
 */
export function visibleUrl(
  place: RequestPlace,
  sourceUrl: string | undefined,
  deploymentUrl: string,
): string {
  const configured = PARTS.exec(sourceUrl ?? '');
  if (configured === null) {
    return (
      (deploymentUrl === '' ? `${place.scheme}://${place.host}` : deploymentUrl.replace(/\/$/, '')) +
      place.target
    );
  }
  const [, origin, path, query] = configured;
  if (path === '' || path === '/') return origin + place.target;
  const queryStart = place.target.indexOf('?');
  return `${origin}${path}${queryStart === -1 ? (query ?? '') : place.target.slice(queryStart)}`;
}
