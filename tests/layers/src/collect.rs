//! Collects the imports and the paths of one module from its syntax tree.

use std::rc::Rc;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, Field, FieldValue, Ident, ImplItem, Item, ItemExternCrate, ItemMod, ItemUse,
    Lit, Macro, Meta, Path as SynPath, Stmt, TraitItem, UseTree, Variant, Visibility,
};

use crate::cfg;
use crate::model::{Import, Location, Module, Path, PathUse};
use crate::tokens::{self, TokenPath};
use crate::unreadable::Unreadable;

/// Adds the imports and paths of `item` to `module`. Skips modules inside `item`, because the
/// caller reads them.
pub(crate) fn collect(item: &Item, module: &mut Module, file: Rc<str>) {
    let mut collector = Collector { module, file };
    if let Item::Macro(definition) = item
        && definition.ident.is_some()
        && collector.module.parent.is_none()
    {
        collector.root_macro(definition.mac.tokens.clone());
    }
    collector.visit_item(item);
}

struct Collector<'a> {
    module: &'a mut Module,
    file: Rc<str>,
}

/// The properties that all names of a nested `use` share.
struct UsePrefix {
    path: Path,
    reexport: bool,
}

impl Collector<'_> {
    fn at(&self, line: usize) -> Location {
        Location { file: Rc::clone(&self.file), line }
    }

    fn add(&mut self, path: Path, line: usize, reexport: bool) {
        let at = self.at(line);
        self.module.uses.push(PathUse { path, at, reexport });
    }

    fn report_unreadable(&mut self, construct: Unreadable, line: usize) {
        let at = self.at(line);
        self.module.unreadable.push((at, construct));
    }

    fn root_macro(&mut self, body: TokenStream) {
        if let Some(path) = tokens::paths(body).into_iter().find(TokenPath::leaves_module) {
            self.report_unreadable(Unreadable::PathInRootMacro, path.line);
        }
    }

    fn use_tree(&mut self, tree: &UseTree, prefix: &UsePrefix) {
        match tree {
            UseTree::Path(part) => {
                let path = joined(&prefix.path, &part.ident);
                self.use_tree(&part.tree, &UsePrefix { path, reexport: prefix.reexport });
            }
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(tree, prefix);
                }
            }
            UseTree::Name(name) => self.import(prefix, &name.ident, None),
            UseTree::Rename(name) => self.import(prefix, &name.ident, Some(&name.rename)),
            UseTree::Glob(glob) => {
                let line = glob.star_token.spans[0].start().line;
                self.add(prefix.path.clone(), line, prefix.reexport);
                self.module.globs.push(prefix.path.clone());
            }
        }
    }

    fn import(&mut self, prefix: &UsePrefix, name: &Ident, rename: Option<&Ident>) {
        let is_prefix_itself = name == "self" && !prefix.path.is_empty();
        let path = if is_prefix_itself { prefix.path.clone() } else { joined(&prefix.path, name) };
        let Some(last) = path.last() else { return };
        let binding = rename.map_or_else(|| last.clone(), Ident::to_string);
        let import = Import { path: path.clone(), reexport: prefix.reexport };
        self.module.imports.entry(binding).or_default().push(import);
        self.add(path, name.span().start().line, prefix.reexport);
    }

    fn token_paths(&mut self, stream: TokenStream, min_segments: usize) {
        for found in tokens::paths(stream) {
            if found.is_include() {
                self.report_unreadable(Unreadable::Include, found.line);
            }
            if found.path.len() >= min_segments {
                self.add(found.path, found.line, false);
            }
        }
    }

    /// Adds the paths in the strings of attributes, such as `#[serde(with = "crate::hex")]`.
    fn paths_in_strings(&mut self, stream: TokenStream) {
        for token in stream {
            match token {
                TokenTree::Group(group) => self.paths_in_strings(group.stream()),
                TokenTree::Literal(literal) => {
                    let line = literal.span().start().line;
                    if let Lit::Str(text) = Lit::new(literal) {
                        self.path_in_string(&text.value(), line);
                    }
                }
                _ => {}
            }
        }
    }

    fn path_in_string(&mut self, text: &str, line: usize) {
        if let Ok(path) = syn::parse_str::<SynPath>(text)
            && path.segments.len() > 1
        {
            self.add(segments(&path), line, false);
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !cfg::is_test_only(cfg::item_parts(item).0) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !cfg::is_test_only(cfg::impl_item_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !cfg::is_test_only(cfg::trait_item_attributes(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !cfg::is_test_only(cfg::statement_attributes(statement)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !cfg::is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        if !cfg::is_test_only(&field.attrs) {
            visit::visit_field_value(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast Variant) {
        if !cfg::is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        if !cfg::is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.report_unreadable(Unreadable::ModuleInFunction, item.ident.span().start().line);
    }

    fn visit_item_extern_crate(&mut self, item: &'ast ItemExternCrate) {
        if item.ident == "self" {
            self.report_unreadable(Unreadable::ExternCrateSelf, item.ident.span().start().line);
        }
    }

    /// Skips the path of `pub(in path)`, because a visibility is not a dependency.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let path = if item.leading_colon.is_some() { vec![String::new()] } else { Vec::new() };
        let reexport = !matches!(item.vis, Visibility::Inherited);
        self.use_tree(&item.tree, &UsePrefix { path, reexport });
    }

    fn visit_path(&mut self, path: &'ast SynPath) {
        if let Some(first) = path.segments.first() {
            self.add(segments(path), first.ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        if let Some(name) = invocation.path.segments.last()
            && name.ident == "include"
        {
            self.report_unreadable(Unreadable::Include, name.ident.span().start().line);
        }
        self.token_paths(invocation.tokens.clone(), 1);
        visit::visit_macro(self, invocation);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            self.token_paths(list.tokens.clone(), 2);
            self.paths_in_strings(list.tokens.clone());
        }
    }
}

fn segments(path: &SynPath) -> Path {
    let leading = path.leading_colon.as_ref().map(|_| String::new());
    leading.into_iter().chain(path.segments.iter().map(|part| part.ident.to_string())).collect()
}

fn joined(prefix: &Path, name: &Ident) -> Path {
    let mut path = prefix.clone();
    path.push(name.to_string());
    path
}
