//! The attributes that the checker reads: `#[cfg]`, `#[path]` and `#[macro_export]`.

use syn::punctuated::Punctuated;
use syn::{
    Attribute, Expr, Ident, ImplItem, Item, Lit, Meta, MetaNameValue, Stmt, Token, TraitItem,
};

/// Returns true if a `#[cfg]` among `attributes` holds only in a build of tests.
pub(crate) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|attribute| attribute.path().is_ident("cfg")).any(|attribute| {
        attribute.parse_args::<Meta>().is_ok_and(|predicate| requires_test(&predicate))
    })
}

fn requires_test(predicate: &Meta) -> bool {
    let Meta::List(list) = predicate else { return predicate.path().is_ident("test") };
    let parsed = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
    let Ok(parts) = parsed else { return false };
    if list.path.is_ident("all") {
        parts.iter().any(requires_test)
    } else if list.path.is_ident("any") {
        !parts.is_empty() && parts.iter().all(requires_test)
    } else {
        false
    }
}

/// Returns the value of `#[path = ".."]`.
pub(crate) fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        Meta::NameValue(MetaNameValue { path, value: Expr::Lit(literal), .. })
            if path.is_ident("path") =>
        {
            match &literal.lit {
                Lit::Str(text) => Some(text.value()),
                _ => None,
            }
        }
        _ => None,
    })
}

/// Returns true if `attributes` contain `#[macro_export]`.
pub(crate) fn is_exported_macro(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("macro_export"))
}

/// Returns the attributes of an item, and the name that the item defines. Returns no name for a module,
/// because `read` adds modules.
pub(crate) fn item_parts(item: &Item) -> (&[Attribute], Option<&Ident>) {
    match item {
        Item::Const(item) => (&item.attrs, Some(&item.ident)),
        Item::Enum(item) => (&item.attrs, Some(&item.ident)),
        Item::ExternCrate(item) => (&item.attrs, None),
        Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
        Item::ForeignMod(item) => (&item.attrs, None),
        Item::Impl(item) => (&item.attrs, None),
        Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
        Item::Mod(item) => (&item.attrs, None),
        Item::Static(item) => (&item.attrs, Some(&item.ident)),
        Item::Struct(item) => (&item.attrs, Some(&item.ident)),
        Item::Trait(item) => (&item.attrs, Some(&item.ident)),
        Item::TraitAlias(item) => (&item.attrs, Some(&item.ident)),
        Item::Type(item) => (&item.attrs, Some(&item.ident)),
        Item::Union(item) => (&item.attrs, Some(&item.ident)),
        Item::Use(item) => (&item.attrs, None),
        _ => (&[], None),
    }
}

/// Returns the attributes of an item of an `impl` block.
pub(crate) fn impl_item_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the attributes of an item of a trait.
pub(crate) fn trait_item_attributes(item: &TraitItem) -> &[Attribute] {
    match item {
        TraitItem::Const(item) => &item.attrs,
        TraitItem::Fn(item) => &item.attrs,
        TraitItem::Type(item) => &item.attrs,
        TraitItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns the attributes of a statement. Only the kinds of statement that commonly have attributes
/// are supported.
pub(crate) fn statement_attributes(statement: &Stmt) -> &[Attribute] {
    match statement {
        Stmt::Local(local) => &local.attrs,
        Stmt::Macro(statement) => &statement.attrs,
        Stmt::Expr(Expr::Assign(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::Block(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::Call(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::If(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::Macro(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::MethodCall(expression), _) => &expression.attrs,
        Stmt::Expr(Expr::Return(expression), _) => &expression.attrs,
        _ => &[],
    }
}
