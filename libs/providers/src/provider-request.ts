import { isUtf8 } from 'node:buffer';
import { parseForm, type FormFields } from './form.js';
import { parseMultipart, type FormPart } from './multipart.js';
import { REPEATED, type RequestHeaders } from './request-headers.js';

/** JSON that was parsed, or the fact that it is none. */
export type JsonBody = { readonly isJson: true; readonly value: unknown } | { readonly isJson: false };

/** A provider's request as it came: exact bytes, and what schemes sign derived from them on demand. */
export class ProviderRequest {
  private formFields: FormFields | null | undefined;
  private queryFields: FormFields | null | undefined;
  private jsonBody: JsonBody | undefined;
  private formParts: readonly FormPart[] | null | undefined;

  constructor(
    readonly method: string,
    /** As the client wrote it: path and query. */
    readonly target: string,
    /** As the provider wrote it before any proxy: scheme, host, port, path, raw query. */
    readonly url: string,
    readonly headers: RequestHeaders,
    readonly body: Buffer,
    /**
     * The client's certificate in DER, when a TLS handshake proved that the client has its key: our own, or
     * that of a trusted proxy (`clientCertificateIn`). Never from a header that a client could set.
     */
    readonly clientCertificate?: Buffer,
  ) {}

  /** The body as a form; undefined when it is not a well-formed one. */
  form(): FormFields | undefined {
    if (this.formFields === undefined)
      this.formFields = isUtf8(this.body) ? (parseForm(this.body.toString()) ?? null) : null;
    return this.formFields ?? undefined;
  }

  /** The query as a form; undefined when it is not a well-formed one. */
  query(): FormFields | undefined {
    if (this.queryFields === undefined) this.queryFields = parseForm(queryOf(this.url)) ?? null;
    return this.queryFields ?? undefined;
  }

  /** The parts of a multipart form; undefined when the body is not a well-formed one. */
  multipart(): readonly FormPart[] | undefined {
    if (this.formParts === undefined) {
      const contentType = this.headers.one('content-type');
      const isNone = contentType === undefined || contentType === REPEATED;
      this.formParts = isNone ? null : (parseMultipart(this.body, contentType) ?? null);
    }
    return this.formParts ?? undefined;
  }

  json(): JsonBody {
    this.jsonBody ??= parseJson(this.body);
    return this.jsonBody;
  }
}

function queryOf(url: string): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1);
}

function parseJson(body: Buffer): JsonBody {
  if (!isUtf8(body)) return { isJson: false };
  try {
    return { isJson: true, value: JSON.parse(body.toString()) as unknown };
  } catch {
    return { isJson: false };
  }
}
