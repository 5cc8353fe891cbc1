import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const sha256 = (text: string) => `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;

/**
 * Folds the one script and the one style sheet into index.html and writes a content security policy that names their
 * digests: the page can run nothing else and can reach nothing, whatever text a release carries.
 */
function oneFile(): Plugin {
  return {
    name: 'glasswork-one-file',
    apply: 'build',
    enforce: 'post',
    generateBundle(_options, bundle) {
      const page = bundle['index.html'];
      if (page?.type !== 'asset') this.error('index.html is not in the bundle');
      let script = '';
      let style = '';
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === 'chunk') script += file.code.replace(/<\/script/gi, '<\\/script');
        else if (name.endsWith('.css')) style += String(file.source).replace(/<\/style/gi, '<\\/style');
        else if (name !== 'index.html') this.error(`${name} cannot be folded into one page`);
        if (name !== 'index.html') delete bundle[name];
      }
      const policy =
        `default-src 'none'; script-src ${sha256(script)}; style-src ${sha256(style)}; ` +
        `base-uri 'none'; form-action 'none'`;
      const html = String(page.source)
        .replace(/\s*<script type="module"[^>]*><\/script>/, '')
        .replace(/\s*<link rel="stylesheet"[^>]*>/, '')
        .replace('<meta charset="utf-8" />', (found) =>
          `${found}\n    <meta http-equiv="Content-Security-Policy" content="${policy}" />`)
        .replace('</head>', () => `  <style>${style}</style>\n  </head>`)
        .replace('</body>', () => `  <script type="module">${script}</script>\n  </body>`);
      if (/(src|href)="[^#"]/.test(html.replace(script, '').replace(style, ''))) {
        this.error('index.html still refers to another file');
      }
      page.source = html;
    },
  };
}

/** `npm run dev` shows the fixture. */
function fixtureWhileDeveloping(): Plugin {
  return {
    name: 'glasswork-fixture',
    apply: 'serve',
    transformIndexHtml(html) {
      const fixture = readFileSync(new URL('tests/fixture.json', import.meta.url), 'utf8');
      return html.replace('"glasswork-report-data"', () => fixture.replaceAll('<', '\\u003c'));
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [svelte(), oneFile(), fixtureWhileDeveloping()],
  build: { target: 'es2022', cssCodeSplit: false, assetsInlineLimit: 0, modulePreload: false, rolldownOptions: { checks: { pluginTimings: false } } },
  test: { include: ['tests/*.test.ts'], environment: 'node' },
});
