import { Controller, Get, Header } from '@nestjs/common';
import { docsPage } from './docs-page.js';
import { type RouteOptions } from './route.js';
import { openApiDocument } from './openapi.js';

/** What the documents describe. */
export class Documented {
  constructor(
    readonly routes: readonly RouteOptions[],
    readonly version: string,
  ) {}
}

/** The contract, for machines and for people. */
@Controller()
export class DocumentationController {
  private readonly document: Record<string, unknown>;

  constructor(documented: Documented) {
    this.document = openApiDocument(documented.routes, documented.version);
  }

  @Get('/openapi.json')
  openApi() {
    return this.document;
  }

  @Get('/docs')
  @Header('content-type', 'text/html; charset=utf-8')
  docs() {
    return docsPage(this.document);
  }
}
