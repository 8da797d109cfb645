import { clientCertificateIn } from '@posthorn/providers/client-certificate-header.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { visibleUrl } from '../domain/visible-url.js';
import { isTrustedPeer, type ProxyTrust } from './client-address.js';
import type { SourceRules } from './source-settings.js';

/** A request as the HTTP server read it, and all that it is judged by. */
export interface ArrivedRequest {
  readonly method: string;
  /** As the client wrote it: path and query. */
  readonly target: string;
  /** Name and value alternate. */
  readonly rawHeaders: readonly string[];
  readonly host: string;
  readonly traceparent: string | undefined;
  /** Of the socket. */
  readonly remoteAddress: string;
  /** Whether our own port spoke TLS. */
  readonly isEncrypted: boolean;
  /** DER, of a handshake of our own, by an authority that is configured. */
  readonly clientCertificate: Buffer | undefined;
  readonly body: Buffer;
}

/** How this deployment is reached. */
export class IntakePlace {
  /**
   * @param deploymentUrl where providers reach it; empty = as the request says.
   * @param certificateHeader in which trusted proxies hand on a client's certificate, lower case; empty = in none.
   */
  constructor(
    readonly trust: ProxyTrust,
    readonly deploymentUrl: string,
    readonly certificateHeader: string,
  ) {}

  /** What the provider sent, as far as proxies that are trusted tell it. */
  requestOf(arrived: ArrivedRequest, { provider, settings }: SourceRules): ProviderRequest {
    const { publicUrl } = settings;
    const headers = new RequestHeaders(arrived.rawHeaders);
    let [scheme, host] = [arrived.isEncrypted ? 'https' : 'http', arrived.host];
    if (
      publicUrl === undefined &&
      this.deploymentUrl === '' &&
      isTrustedPeer(arrived.remoteAddress, this.trust)
    ) {
      scheme = last(headers.all('x-forwarded-proto')) ?? scheme;
      host = last(headers.all('x-forwarded-host')) ?? host;
    }
    const url = visibleUrl({ target: arrived.target, scheme, host }, publicUrl, this.deploymentUrl);
    const certificate =
      provider.usesClientCertificate === true ? this.certificateOf(arrived, headers) : undefined;
    return new ProviderRequest(arrived.method, arrived.target, url, headers, arrived.body, certificate);
  }

  /** Of a trusted proxy never its own certificate: that is not the sender's. */
  private certificateOf(arrived: ArrivedRequest, headers: RequestHeaders): Buffer | undefined {
    return this.certificateHeader !== '' && isTrustedPeer(arrived.remoteAddress, this.trust)
      ? clientCertificateIn(headers, this.certificateHeader)
      : arrived.clientCertificate;
  }
}

/** The value that the nearest proxy wrote. */
const last = (values: readonly string[]): string | undefined => values.at(-1)?.split(',').at(-1)?.trim();
