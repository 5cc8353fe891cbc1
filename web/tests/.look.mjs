import { pageWith, fixture, openBrowser } from '/work/main/web/tests/pages.mjs';
import { readFile } from 'node:fs/promises';
const report = process.argv[2] ? JSON.parse(await readFile(process.argv[2],'utf8')) : await fixture();
const html = await pageWith(report);
const b = await openBrowser();
const out='/tmp/look'; 
const shots=[['en-laptop',{},false],['ja-laptop',{search:'?lang=ja'},false],['ja-narrow',{search:'?lang=ja',width:390,height:844},true],['en-dark',{dark:true},true],['ja-full',{search:'?lang=ja'},true]];
for (const [n,o,full] of shots){ const {page,troubles}=await b.open(html,o); await page.waitForTimeout(300); await page.screenshot({path:`${out}/${n}.png`,fullPage:full}); if(troubles.length)console.log(n,troubles); 
 const sw=await page.evaluate(()=>[document.documentElement.scrollWidth,innerWidth, document.documentElement.scrollHeight]); console.log(n,sw);
 if(n==='ja-laptop'||n==='en-dark'){await page.pdf({path:`${out}/${n}.pdf`,preferCSSPageSize:true,printBackground:true});} await page.close();}
await b.close();
