/* One file that any browser opens: an icicle, root on top. Click zooms, the field searches, the share matched is shown; nothing
 * is fetched from anywhere. Nodes thinner than a tenth of a pixel are left out, and counted. */
#include "flame_out.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"
#include "units.h"

enum { WIDTH = 1200, ROW = 17, TOP = 64 };

static void put_xml(FILE *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			putc(*p, out);
		}
	}
}

/* Role colours; shades by name, so that neighbours differ and the same function looks the same everywhere. */
static void put_colour(FILE *out, const struct flame_frame *frame, const struct flame_node *n, const struct flame_summary *s,
		       bool compares)
{
	static const struct {
		unsigned r, g, b;
	} roles[] = {
		[FLAME_ROOT] = {190, 190, 190}, [FLAME_GROUP] = {190, 190, 190},  [FLAME_NATIVE] = {235, 140, 60},
		[FLAME_LIBRARY] = {225, 185, 70}, [FLAME_KERNEL] = {215, 110, 110}, [FLAME_JIT] = {110, 185, 110},
		[FLAME_UNKNOWN] = {200, 200, 200}, [FLAME_CUT] = {160, 160, 160},
	};
	unsigned h = 2166136261u;

	if (compares) {
		double before = s->base_total > 0 ? n->base_total / s->base_total : 0, now = s->total > 0 ? n->total / s->total : 0;
		double change = now + before > 0 ? (now - before) / (now > before ? now : before) : 0;
		unsigned pale = (unsigned)(235 - 170 * (change < 0 ? -change : change));

		fprintf(out, change > 0 ? "rgb(245,%u,%u)" : "rgb(%u,%u,245)", pale, pale);
		return;
	}
	for (size_t i = 0; i < frame->name_len; i++)
		h = (h ^ (uint8_t)frame->name[i]) * 16777619u;
	h = (h >> 8) % 21;
	fprintf(out, "rgb(%u,%u,%u)", roles[frame->kind].r + h, roles[frame->kind].g + h, roles[frame->kind].b + h);
}

static const char script[] =
	"'use strict';\n"
	"const svg=document.documentElement,gs=[...document.querySelectorAll('g.n')],W=1200;\n"
	"let root=gs[0],word='';\n"
	"for(const g of gs){g.x=+g.dataset.x;g.w=+g.dataset.w;g.d=+g.dataset.d;g.r=g.querySelector('rect');g.t=g.querySelector('text');"
	"g.name=g.dataset.n;}\n"
	"function draw(){const a=root.x,s=root.w;for(const g of gs){\n"
	" const up=g.d<root.d&&g.x<=a+1e-9&&g.x+g.w>=a+s-1e-9,inn=g.x>=a-1e-9&&g.x+g.w<=a+s+1e-9&&g.d>=root.d;\n"
	" if(!up&&!inn){g.style.display='none';continue;}\n"
	" const x=up?0:(g.x-a)/s*W,w=up?W:g.w/s*W;if(w<0.3){g.style.display='none';continue;}\n"
	" g.style.display='';g.style.opacity=up?0.6:1;g.r.setAttribute('x',x);g.r.setAttribute('width',Math.max(w-0.5,0.3));\n"
	" g.t.setAttribute('x',x+3);const n=Math.floor((w-6)/7);"
	"g.t.textContent=n<3?'':g.name.length<=n?g.name:g.name.slice(0,n-1)+'\\u2026';}\n"
	" document.getElementById('back').style.display=root===gs[0]?'none':'';}\n"
	"function find(v){word=v.toLowerCase();let ends=[],sum=0;const hit=[];\n"
	" for(const g of gs){const m=word!==''&&g!==gs[0]&&g.name.toLowerCase().includes(word);g.r.classList.toggle('m',m);if(m)hit.push(g);}\n"
	" hit.sort((p,q)=>p.x-q.x||p.d-q.d);let end=-1;for(const g of hit){if(g.x>=end-1e-9){sum+=g.w;end=g.x+g.w;}}\n"
	" document.getElementById('match').textContent=word===''?'':'matched: '+(100*sum/gs[0].w).toFixed(1)+'%';return sum/gs[0].w;}\n"
	"function ask(){const v=prompt('Search for a part of a name:',word);if(v!==null)find(v);}\n"
	"svg.addEventListener('click',e=>{const g=e.target.closest&&e.target.closest('g.n');if(g){root=g;draw();}});\n"
	"svg.addEventListener('mouseover',e=>{const g=e.target.closest&&e.target.closest('g.n');\n"
	" document.getElementById('info').textContent=g?g.querySelector('title').textContent:'';});\n"
	"document.getElementById('back').addEventListener('click',e=>{root=gs[0];draw();e.stopPropagation();});\n"
	"document.getElementById('search').addEventListener('click',e=>{ask();e.stopPropagation();});\n"
	"window.addEventListener('keydown',e=>{if(e.key==='/'||(e.key==='f'&&(e.ctrlKey||e.metaKey))){ask();e.preventDefault();}"
	"if(e.key==='Escape'){root=gs[0];draw();}});\n"
	"window.culprit={find,zoom:n=>{const g=gs.find(g=>g.name===n);if(g){root=g;draw();}return !!g;},"
	"shown:()=>gs.filter(g=>g.style.display!=='none').length};\n"
	"draw();\n";

struct box {
	double x; /* of all, 0 to 1 */
};

int flame_write_svg(const struct flame *f, const struct flame_title *title, FILE *out)
{
	struct flame_summary s;
	double *at = calloc(flame_nodes(f), sizeof(*at)), *fill = calloc(flame_nodes(f), sizeof(*fill));
	char name[4096], module[1024], amount[32];
	uint32_t depth = 0;
	uint64_t thin = 0;

	if (!at || !fill) {
		free(at);
		free(fill);
		return -12; /* ENOMEM */
	}
	flame_summary(f, &s);
	/* Depth of what is shown; places come from the order of siblings. */
	for (int pass = 0; pass < 2; pass++) {
		if (pass) {
			fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
				"viewBox=\"0 0 %d %u\" width=\"%d\" height=\"%u\" font-family=\"monospace\" font-size=\"12\">\n",
				WIDTH, TOP + (depth + 1) * ROW + 8, WIDTH, TOP + (depth + 1) * ROW + 8);
			fputs("<style>g.n{cursor:pointer}g.n:hover rect{stroke:#000}rect.m{fill:#b040d0 !important}"
			      ".b{cursor:pointer;text-decoration:underline}text{pointer-events:none}text.b{pointer-events:auto}</style>\n"
			      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"8\" y=\"18\" font-size=\"14\">", out);
			put_xml(out, title->what);
			fprintf(out, "</text>\n<text x=\"8\" y=\"36\">%s in %.0f samples",
				units_format(amount, sizeof(amount), s.total, title->unit), s.samples);
			if (s.truncated > 0)
				fprintf(out, ", %.1f%% cut", 100 * s.truncated / s.samples);
			if (thin)
				fprintf(out, ", %llu thinner than a tenth of a pixel left out", (unsigned long long)thin);
			if (title->compares)
				fputs(", red: more than in the baseline, blue: less", out);
			fputs("</text>\n<text id=\"search\" class=\"b\" x=\"1130\" y=\"18\">search /</text>\n"
			      "<text id=\"back\" class=\"b\" x=\"1130\" y=\"36\" style=\"display:none\">whole</text>\n"
			      "<text id=\"match\" x=\"980\" y=\"18\"></text>\n<text id=\"info\" x=\"8\" y=\"54\"></text>\n", out);
			memset(fill, 0, flame_nodes(f) * sizeof(*fill));
		}
		for (uint32_t node = 0;;) {
			const struct flame_node *n = flame_node(f, node);
			const struct flame_frame *frame = flame_frame(f, n->frame);
			double w = s.total > 0 ? n->total / s.total : 0;

			if (node) {
				at[node] = at[n->parent] + fill[n->parent];
				fill[n->parent] += w;
				fill[node] = 0;
			}
			if (w * WIDTH < 0.1 && node) {
				/* With all that is below it. */
				if (!pass)
					thin++;
				while (node && !flame_node(f, node)->next)
					node = flame_node(f, node)->parent;
				node = node ? flame_node(f, node)->next : 0;
				if (!node)
					break;
				continue;
			}
			if (n->depth > depth)
				depth = n->depth;
			if (pass) {
				fprintf(out, "<g class=\"n\" data-x=\"%.7f\" data-w=\"%.7f\" data-d=\"%u\" data-n=\"", at[node], w, n->depth);
				put_xml(out, node ? flame_name(frame, name, sizeof(name)) : "all");
				fputs("\"><title>", out);
				put_xml(out, node ? name : "all");
				if (node && frame->module_len && frame->named) {
					text_sanitise(module, sizeof(module), frame->module, frame->module_len, TEXT_UTF8);
					fputs(" (", out);
					put_xml(out, module);
					putc(')', out);
				}
				fprintf(out, ": %s, %.2f%%, itself %.2f%%", units_format(amount, sizeof(amount), n->total, title->unit),
					100 * w, s.total > 0 ? 100 * n->self / s.total : 0);
				if (title->compares)
					fprintf(out, ", baseline %.2f%%", s.base_total > 0 ? 100 * n->base_total / s.base_total : 0);
				fprintf(out, "</title><rect x=\"%.2f\" y=\"%u\" width=\"%.2f\" height=\"%d\" fill=\"", at[node] * WIDTH,
					TOP + n->depth * ROW, w * WIDTH, ROW - 1);
				put_colour(out, frame, n, &s, title->compares);
				fprintf(out, "\"/><text x=\"%.2f\" y=\"%u\"></text></g>\n", at[node] * WIDTH + 3, TOP + n->depth * ROW + 12);
			}
			node = flame_after(f, node);
			if (!node)
				break;
		}
	}
	fprintf(out, "<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
	free(at);
	free(fill);
	return 0;
}
